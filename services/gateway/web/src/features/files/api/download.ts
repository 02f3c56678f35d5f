/** Where a file of a session's workspace is saved from. */
export function downloadPath(sessionId: string, path: string): string {
  return `/api/v1/files/download?${new URLSearchParams({ session_id: sessionId, path })}`;
}

/** Where the whole workspace is saved from, without what tools make again. */
export function archivePath(sessionId: string): string {
  return `/api/v1/files/archive?${new URLSearchParams({ session_id: sessionId, without_made: 'true' })}`;
}
