/**
 * What the shells are told: how to ask `ipc` itself what may stand at the cursor, and how to show its answer.
 *
 * An answer is a line with its kind, `:values`, `:files`, `:directories` or `:command`, and for the first a candidate a
 * line with its description behind a tab.
 *
 * @module
 */

/** Shells that there is a script for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** One of {@linkcode SHELLS}. */
export type Shell = (typeof SHELLS)[number];

/** A script as it is written here, but for the backslash that keeps `${` from being read by TypeScript. */
function script(text: TemplateStringsArray): string {
  return String.raw(text).replaceAll("\\${", "${");
}

/** For bash 3.2 and newer, with the bash-completion package or without. */
const BASH = script`# bash completion for ipc: source <(ipc completion bash)
_ipc() {
  # bash breaks words at "=" and ":" too; here a word is what stands between spaces, up to the cursor.
  local rest="\${COMP_LINE:0:COMP_POINT}" words=() word i
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    if ((i == 0)) || [[ $rest == [[:space:]]* ]]; then
      rest="\${rest#"\${rest%%[![:space:]]*}"}"
      ((i < COMP_CWORD)) || word=$rest
      words+=("$word")
    else
      ((i < COMP_CWORD)) || word=$rest
      words[\${#words[@]} - 1]+=$word
    fi
    rest="\${rest#"$word"}"
  done

  local current="\${words[\${#words[@]} - 1]}" IFS=$'\n' line value cut=""
  # What stands before the last "=" or ":" is not bash's to replace.
  case $COMP_WORDBREAKS in
    *=*:* | *:*=*) cut="\${current%"\${current##*[=:]}"}" ;;
    *=*) cut="\${current%"\${current##*=}"}" ;;
  esac
  COMPREPLY=()
  while read -r line; do
    case $line in
      :values) ;;
      :files* | :directories*)
        compopt -o filenames 2>/dev/null
        value="\${current#"\${line#* }"}"
        if [[ $line == :files* ]]; then
          # shellcheck disable=SC2207
          COMPREPLY=($(compgen -f -- "$value"))
        else
          # shellcheck disable=SC2207
          COMPREPLY=($(compgen -d -- "$value"))
        fi
        ;;
      :command*)
        for ((i = 0; i < COMP_CWORD; i++)); do
          [[ \${COMP_WORDS[i]} != -- ]] || break
        done
        if declare -F _command_offset >/dev/null; then
          unset IFS
          _command_offset $((i + 1))
        elif ((i + 1 == COMP_CWORD)); then
          # shellcheck disable=SC2207
          COMPREPLY=($(compgen -c -- "$current"))
        else
          compopt -o filenames 2>/dev/null
          # shellcheck disable=SC2207
          COMPREPLY=($(compgen -f -- "$current"))
        fi
        return
        ;;
      *)
        printf -v value %q "\${line%%$'\t'*}"
        COMPREPLY+=("\${value#"$cut"}")
        ;;
    esac
  done < <(ipc completion bash --words -- "\${words[@]:1}" 2>/dev/null)
}
complete -F _ipc ipc
`;

/** To be sourced behind compinit, or to stand as a file _ipc on the fpath. */
const ZSH = script`#compdef ipc
# zsh completion for ipc: source <(ipc completion zsh)
_ipc() {
  local -a answer candidates
  local line value
  answer=("\${(@f)$(ipc completion zsh --words -- "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}")
  case $answer[1] in
    :values)
      for line in "\${(@)answer[2,-1]}"; do
        value=\${line%%$'\t'*}
        candidates+=("\${value//:/\\:}:\${line#*$'\t'}")
      done
      _describe -V ipc candidates
      ;;
    :files*) [[ $answer[1] == ":files " ]] || compset -P '*='; _files ;;
    :directories*) [[ $answer[1] == ":directories " ]] || compset -P '*='; _files -/ ;;
    :command*)
      # ":command 4": the command is the fifth word here, where ipc itself is the first.
      shift \${answer[1]#:command } words
      ((CURRENT -= \${answer[1]#:command }))
      _normal
      ;;
  esac
}
if [[ $funcstack[1] == _ipc ]]; then
  _ipc "$@"
else
  compdef _ipc ipc
fi
`;

/** For fish 3.0 and newer. */
const FISH = script`# fish completion for ipc: ipc completion fish | source
function __ipc_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l answer (ipc completion fish --words -- $words[2..-1] "$current" 2>/dev/null)
    switch "$answer[1]"
        case ':values'
            printf '%s\n' $answer[2..-1]
        case ':files*' ':directories*'
            set -l behind (string replace -r '^:[a-z]+ ' '' -- $answer[1])
            set -l begun (string sub -s (math (string length -- "$behind") + 1) -- "$current")
            if string match -q ':files*' -- $answer[1]
                printf "$behind%s\n" (__fish_complete_path "$begun")
            else
                printf "$behind%s\n" (__fish_complete_directories "$begun")
            end
        case ':command*'
            set -l from (math (string replace ':command ' '' -- $answer[1]) + 1)
            complete -C (string join ' ' -- (string escape -- $words[$from..-1]) "$current")
    end
end
complete -c ipc -f -a '(__ipc_complete)'
`;

/** By shell. */
export const COMPLETION_SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
