/** An address that may stand in a link: http or https, or a path of ours; anything else gives undefined. */
export function safeHref(url: string): string | undefined {
  if (/^\/(?![/\\])/.test(url)) return url;
  try {
    const parsed = new URL(url);
    return parsed.protocol === 'https:' || parsed.protocol === 'http:' ? parsed.href : undefined;
  } catch {
    return undefined;
  }
}

/** Path of the page of a local pull request. */
export function localPullPath(repo: string, number: number): string {
  return `/pulls/local/${repo.split('/').map(encodeURIComponent).join('/')}/${number}`;
}
