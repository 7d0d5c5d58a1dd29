/**
 * The completion script for bash. It needs nothing but bash itself: bash cuts the line at `:` and `=` too, so it joins the
 * words again, asks `virtstat complete`, and leaves out of the candidates what stands before the last cut. It evaluates
 * nothing of what was typed or offered.
 */
export const BASH_COMPLETION = `# bash completion for virtstat: source <(virtstat completion bash)
_virtstat() {
    local line=\${COMP_LINE:0:COMP_POINT} typed kept value words=()
    read -ra words <<<"$line"
    [[ $line == *[[:blank:]] ]] && words+=("")
    typed=\${words[-1]}
    kept=\${typed%"\${typed##*[:=]}"}
    COMPREPLY=()
    while IFS=$'\\t' read -r value _; do
        [[ $value == :* ]] || COMPREPLY+=("\${value#"$kept"}")
    done < <("\${words[0]}" complete -- "\${words[@]:1}" 2>/dev/null)
    [[ \${#COMPREPLY[@]} == 1 && \${COMPREPLY[0]} == *= ]] && compopt -o nospace
    return 0
}
complete -o default -F _virtstat virtstat
`;
