/** Folders in the containers of a pod. No volume of a profile lies in or above one (security-model/pod-rules.ts). */
export const RUN = '/run/rexec'
export const CONFIG = '/etc/rexec'
export const HOME = '/home/rexec'
export const TMP = '/tmp'
export const SHARED_MEMORY = '/dev/shm'

/** Of the agent; agent and worker both see the folder. */
export const SOCKET = `${RUN}/agent.sock`
/** Keys of the Secret, hence files in CONFIG, which only the agent sees. */
export const SETTINGS_KEY = 'settings.json'
export const CREDENTIAL_KEY = 'credential'
/** The kubelet makes it, and shows what the agent has written there in the status of the pod. */
export const TERMINATION_MESSAGE = '/dev/termination-log'
