# bash completion of assist. To use it: source this file, or: assist completion install bash
_assist() {
    local form line
    COMPREPLY=()
    {
        IFS= read -r form || return 0
        while IFS= read -r line; do COMPREPLY+=("$line"); done
    } < <(
        COMP_LINE=${COMP_LINE:0:COMP_POINT} COMP_TYPE=$COMP_TYPE COMP_WORDBREAKS=$COMP_WORDBREAKS COLUMNS=$COLUMNS \
            assist completion answer bash 2>/dev/null
    )
    # bash before 4.4 always sorts alphabetically, and the bash of macOS ignores all of these.
    case $form in
        words) compopt -o nosort ;;
        open) compopt -o nosort -o nospace ;;
        files) compopt -o default ;;
        folders) compopt -o dirnames ;;
    esac 2>/dev/null
}
complete -F _assist assist
