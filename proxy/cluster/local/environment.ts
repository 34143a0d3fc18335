/** How to find programs, packages and the home folder: what workers get of the environment of who starts them. */
const PASSED_ON =
  /^(PATH|HOME|USER|LOGNAME|LANG|LC_\w+|TZ|PYENV_ROOT|(PIP|UV)_\w+|XDG_CACHE_HOME|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|(HTTPS?|ALL|NO)_PROXY)$/i

/** The variables of `all` that local servers get; nothing else is passed on, so no secret of this process is. */
export function environmentToPassOn(
  all: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const passedOn: Record<string, string> = {}
  for (const [name, value] of Object.entries(all)) {
    if (PASSED_ON.test(name) && value !== undefined) passedOn[name] = value
  }
  return passedOn
}
