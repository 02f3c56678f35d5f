import { Code } from '@connectrpc/connect';
import { Failure } from '@/lib/errors';

/** Signs in with an e-mail address; the cookie is set by the answer. */
export async function signIn(email: string): Promise<void> {
  await post('/api/v1/auth/dev-login', { email });
}

/** Ends the sign-in of this browser. */
export async function signOut(): Promise<void> {
  await post('/api/v1/auth/logout', {});
}

async function post(path: string, body: object): Promise<void> {
  let response: Response;
  try {
    const headers = { 'content-type': 'application/json' };
    response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
  } catch {
    throw new Failure(Code.Unavailable, 'NETWORK', 'Lucid cannot be reached. Check your connection.');
  }
  if (!response.ok) throw new Failure(Code.Unknown, '', await refusal(response));
}

async function refusal(response: Response): Promise<string> {
  if (response.status === 404) return 'Signing in by e-mail is switched off here.';
  if (response.status === 422) return 'That is not an e-mail address.';
  const detail = await response.json().then(
    (body: { detail?: unknown }) => body.detail,
    () => undefined,
  );
  return typeof detail === 'string' ? detail : `Signing in failed (${response.status}).`;
}
