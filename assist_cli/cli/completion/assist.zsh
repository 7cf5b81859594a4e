#compdef assist
# zsh completion of assist. To use it: source this file after compinit, put it as _assist into a folder of fpath,
# or: assist completion install zsh
_assist() {
    local line form IFS=
    local -a answer values shown ending
    line="${(j: :)words[1,CURRENT-1]} $IPREFIX$QIPREFIX$PREFIX"
    answer=("${(@f)$(COMP_LINE=$line COLUMNS=$COLUMNS assist completion answer zsh 2>/dev/null)}")
    form=$answer[1]
    case $form in
        files) compset -P '--*='; _files; return ;;
        folders) compset -P '--*='; _files -/; return ;;
        open) ending=(-S '') ;;
    esac
    for line in "${(@)answer[2,-1]}"; do
        values+=("${line%%$'\t'*}")
        shown+=("${line#*$'\t'}")
    done
    compadd -V assist "${(@)ending}" -l -d shown -a -- values
}
if [[ $funcstack[1] == _assist ]]; then
    _assist "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
    compdef _assist assist
fi
