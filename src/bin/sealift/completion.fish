# Completion of sealift for fish. It asks the program what could come next.
function __sealift_complete
    set -l current (commandline --current-token --cut-at-cursor)
    # As the program will read it: without backslashes, and without quotes, of which the last may not be closed yet.
    set -l plain (string unescape -- "$current" 2>/dev/null
        or string unescape -- "$current'" 2>/dev/null
        or string unescape -- "$current\"" 2>/dev/null
        or printf '%s\n' "$current")
    COMPLETE=fish sealift -- (commandline --current-process --tokenize --cut-at-cursor) "$plain"
end

complete --command sealift --keep-order --no-files --arguments '(__sealift_complete)'
