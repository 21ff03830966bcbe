# Completion of sealift for PowerShell 7.3 and newer. What was typed is handed on as words and never run: it may be a command
# that somebody has only begun to type.
Register-ArgumentCompleter -Native -CommandName sealift -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $words = [System.Collections.Generic.List[string]]::new()
    $end = -1
    foreach ($element in $commandAst.CommandElements) {
        $begin = $element.Extent.StartOffset
        if ($begin -ge $cursorPosition) { break }
        $end = $element.Extent.EndOffset
        if ($end -gt $cursorPosition) {
            # The cursor is in this word.
            $text = $element.Extent.Text.Substring(0, $cursorPosition - $begin)
            $words.Add($text.TrimStart([char]39, [char]34))
            $end = $cursorPosition
        } elseif ($element -is [System.Management.Automation.Language.StringConstantExpressionAst]) {
            # Without its quotes.
            $words.Add($element.Value)
        } else {
            # A variable or an expression stays as it is written.
            $words.Add($element.Extent.Text)
        }
    }
    # Behind a blank another word begins.
    if ($end -lt $cursorPosition) { $words.Add('') }

    $before = $env:COMPLETE
    $env:COMPLETE = 'powershell'
    try {
        $lines = @(& sealift -- $words 2>$null)
    } finally {
        if ($null -eq $before) {
            Remove-Item Env:\COMPLETE
        } else {
            $env:COMPLETE = $before
        }
    }
    foreach ($line in $lines) {
        $name, $help = $line -split "`t", 2
        if (-not $name) { continue }
        if (-not $help) { $help = $name }
        # A name that PowerShell would take apart is quoted.
        $typed = $name
        if ($name -match '[^\w/.:=+%~-]') { $typed = "'" + $name.Replace("'", "''") + "'" }
        [System.Management.Automation.CompletionResult]::new($typed, $name, 'ParameterValue', $help)
    }
}
