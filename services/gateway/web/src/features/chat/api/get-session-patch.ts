/** Where a patch is to be saved from: the whole session's, or one file's of a step. */
export function patchHref(sessionId: string, seq = 0): string {
  const path = `/api/v1/sessions/${encodeURIComponent(sessionId)}/patch`;
  return seq === 0 ? path : `${path}?seq=${seq}&one_file=true`;
}
