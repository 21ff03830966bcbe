#compdef sealift
# Completion of sealift for zsh. It asks the program what could come next.
_sealift() {
    local cur=$PREFIX line value shown
    local -a typed lines open open_shown whole whole_shown
    # As the program will read it: without backslashes, and without quotes, of which the last may not be closed yet.
    [[ -z $compstate[quote] ]] && cur=${(Q)PREFIX}
    typed=("${(@Q)words[1,CURRENT-1]}" "$cur")
    lines=("${(@f)$(_CLAP_IFS=$'\n' _CLAP_COMPLETE_INDEX=$((CURRENT - 1)) COMPLETE=zsh sealift -- "${typed[@]}" 2>/dev/null)}")
    for line in $lines; do
        # `value:what it is`, with a backslash before a colon of the value.
        line=${line//\\:/$'\x01'}
        value=${${line%%:*}//$'\x01'/:}
        shown=$value
        [[ $line == *:* ]] && shown="$value  -- ${${line#*:}//$'\x01'/:}"
        # Behind a folder, a server or an option's `=` the word goes on.
        if [[ $value == *[/:=@] ]]; then
            open+=("$value") open_shown+=("$shown")
        else
            whole+=("$value") whole_shown+=("$shown")
        fi
    done
    local lists=()
    [[ "$whole_shown$open_shown" == *'  -- '* ]] && lists=(-l)
    ((${#open})) && compadd -S '' $lists -d open_shown -a open
    ((${#whole})) && compadd $lists -d whole_shown -a whole
    ((${#open} + ${#whole}))
}

if [[ $funcstack[1] == _sealift ]]; then
    _sealift "$@"
else
    compdef _sealift sealift
fi
