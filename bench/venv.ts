/** For ensureVenv(): the unmodified client that the bench puts under load; its pyzmq brings libzmq. */
export const VENV = { name: 'bench', packages: ['scidx-rexec==0.1.0'] }
