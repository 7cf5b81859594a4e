# fish completion of assist. To use it: source this file, or: assist completion install fish
function __assist_answer
    set -l answer (COMP_LINE=(commandline -cp | string collect) assist completion answer fish 2>/dev/null)
    set -l word (commandline -ct)
    set -l option (string match -r -- '^--[^=]*=' $word)
    switch "$answer[1]"
        case files
            printf '%s\n' "$option"(__fish_complete_path (string replace -- "$option" '' $word))
        case folders
            printf '%s\n' "$option"(__fish_complete_directories (string replace -- "$option" '' $word))
        case '*'
            printf '%s\n' $answer[2..-1]
    end
end
complete --command assist --no-files --keep-order --arguments '(__assist_answer)'
