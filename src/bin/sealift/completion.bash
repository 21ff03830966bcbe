# Completion of sealift for bash. It asks the program what could come next.
_sealift() {
    local IFS=$'\013' rest=$COMP_LINE cur='' quote='' prefix='' i done
    local -a words=()
    # Bash has cut the line at : and @ too. What stands together is one word.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        if ((i == COMP_CWORD)); then
            done=$((${#COMP_LINE} - ${#rest}))
            rest=${COMP_LINE:done:COMP_POINT - done}
        fi
        if [[ $i -eq 0 || $rest == [[:blank:]]* || -z $rest ]]; then
            words+=('')
            rest=${rest#"${rest%%[![:blank:]]*}"}
        fi
        if ((i == COMP_CWORD)); then
            words[${#words[@]} - 1]+=$rest
        else
            words[${#words[@]} - 1]+=${COMP_WORDS[i]}
            rest=${rest#"${COMP_WORDS[i]}"}
        fi
    done
    cur=${words[${#words[@]} - 1]}
    case $cur in
    [\"\']*) quote=${cur:0:1} cur=${cur:1} ;;
    *) cur=${cur//\\/} ;;
    esac
    words[${#words[@]} - 1]=$cur
    # Bash completes only what comes after the last of these, an @ with what is behind it.
    if [[ -z $quote ]]; then
        [[ $COMP_WORDBREAKS == *@* && $cur == *@* ]] && prefix=${cur%"@${cur##*@}"}
        [[ $COMP_WORDBREAKS == *:* && $cur == *:* ]] && prefix=${cur%"${cur##*:}"}
        [[ $COMP_WORDBREAKS == *=* && $cur == *=* && ${cur##*=} != *[@:]* ]] && prefix=${cur%"${cur##*=}"}
    fi
    COMPREPLY=($(_CLAP_IFS="$IFS" _CLAP_COMPLETE_INDEX=$((${#words[@]} - 1)) _CLAP_COMPLETE_SPACE=false \
        COMPLETE=bash sealift -- "${words[@]}" 2>/dev/null))
    COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
    # What bash would find for a wildcard is here, and this word is on a server.
    [[ ${#COMPREPLY[@]} -eq 0 && $cur == *[@:]* ]] && compopt +o bashdefault 2>/dev/null
    # What means something to bash is escaped, as it does with file names; to those of folders that are here it adds the slash itself.
    if [[ -z $quote && ${COMPREPLY[*]} == *[[:blank:]\\\'\"\$\&\;\(\)\<\>\|\*\?\[\`\!\#]* ]]; then
        compopt -o filenames 2>/dev/null
        for ((i = 0; i < ${#COMPREPLY[@]}; i++)); do
            [[ ${COMPREPLY[i]} == */ && -d ${COMPREPLY[i]} ]] && COMPREPLY[i]=${COMPREPLY[i]%/}
        done
    fi
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/:@] ]] && compopt -o nospace 2>/dev/null
    return 0
}
if [[ ${BASH_VERSINFO[0]} -gt 4 || ${BASH_VERSINFO[0]} -eq 4 && ${BASH_VERSINFO[1]} -ge 4 ]]; then
    complete -o bashdefault -o nosort -F _sealift sealift
else
    complete -o bashdefault -F _sealift sealift
fi
