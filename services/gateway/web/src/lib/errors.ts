import { BinaryReader } from '@bufbuild/protobuf/wire';
import { Code, ConnectError } from '@connectrpc/connect';

/** A failure as the page shows it: a stable reason, words for people, and the canonical code. */
export class Failure extends Error {
  constructor(
    readonly code: Code,
    readonly reason: string,
    message: string,
    readonly metadata: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.name = 'Failure';
  }
}

/** Words for the reasons that a person can do something about; every other one speaks with the server's message. */
const WORDS: Readonly<Record<string, string>> = {
  TOKEN_REFUSED: 'The provider refused this token. Check that it is complete, has not expired and has the scopes named here.',
  PROVIDER_UNAVAILABLE: 'The provider cannot be reached right now. Try again in a moment.',
  CONNECTION_NOT_FOUND: 'No account is connected for this provider.',
  INVALID_REPOSITORY: 'That is not the address of a repository.',
  REPOSITORY_NOT_FOUND: 'This repository does not exist, or your token cannot read it.',
  NO_MODEL_KEY: 'No key is set for this model. Choose another model or ask the operator for a key.',
  UNKNOWN_MODEL: 'This model is not known here.',
  SESSION_NOT_FOUND: 'This conversation does not exist or is not yours.',
  SANDBOX_NOT_FOUND: 'The sandbox of this conversation is not there.',
  SANDBOX_UNAVAILABLE: 'The sandbox cannot be reached right now.',
  SANDBOX_BUSY: 'The sandbox is full: too many terminals are open, or too many programs run in it.',
  FILE_NOT_FOUND: 'This file is not there any more.',
  APPROVAL_RESOLVED: 'This has already been answered; the first answer stands.',
  QUEUE_ITEM_TAKEN: 'The agent already has this message.',
  QUEUE_ITEM_NOT_FOUND: 'This message does not wait any more.',
  QUEUE_FULL: 'Too many messages wait already. Let the agent take some first.',
  SESSION_AT_WORK: 'The agent is at work. Stop or pause it, then try again.',
  FILES_GONE: 'The files of this step are not kept any more.',
  STEP_NOT_FOUND: 'No files were recorded at this step.',
  SANDBOX_AWAY: 'The sandbox cannot be reached right now. Try again in a moment.',
  MERGE_CONFLICT: 'The branches conflict; they cannot be merged as they are.',
  PULL_REQUEST_CLOSED: 'This pull request is closed.',
  NETWORK: 'Lucid cannot be reached. Check your connection.',
};

/** Turns whatever was thrown into a Failure. */
export function toFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  const rpc = ConnectError.from(error);
  const info = errorInfo(rpc);
  const unreachable = rpc.cause instanceof TypeError;
  const reason = info?.reason ?? (unreachable ? 'NETWORK' : '');
  return new Failure(rpc.code, reason, WORDS[reason] ?? plainMessage(rpc), info?.metadata);
}

/** The words for whatever was thrown. */
export function errorText(error: unknown): string {
  return toFailure(error).message;
}

/** True if the caller is not signed in (any more). */
export function isSignedOut(error: unknown): boolean {
  return error !== null && toFailure(error).code === Code.Unauthenticated;
}

function plainMessage(error: ConnectError): string {
  if (error.code === Code.Unauthenticated) return 'You are not signed in.';
  if (error.code === Code.Unavailable) return 'This part of Lucid is not answering right now. Try again in a moment.';
  return error.rawMessage === '' ? 'Something went wrong.' : error.rawMessage;
}

interface ErrorInfo {
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Finds google.rpc.ErrorInfo among the details: reason = 1, domain = 2, metadata = 3. */
function errorInfo(error: ConnectError): ErrorInfo | undefined {
  for (const detail of error.details) {
    if ('type' in detail && detail.type === 'google.rpc.ErrorInfo') return readErrorInfo(detail.value);
  }
  return undefined;
}

function readErrorInfo(bytes: Uint8Array): ErrorInfo | undefined {
  const metadata: Record<string, string> = {};
  let reason = '';
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [field, wire] = reader.tag();
      if (field === 1) reason = reader.string();
      else if (field === 3) {
        const [key, value] = readPair(reader.bytes());
        metadata[key] = value;
      } else reader.skip(wire);
    }
  } catch {
    return undefined;
  }
  return { reason, metadata };
}

function readPair(bytes: Uint8Array): [string, string] {
  const reader = new BinaryReader(bytes);
  const pair: [string, string] = ['', ''];
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (field === 1 || field === 2) pair[field - 1] = reader.string();
    else reader.skip(wire);
  }
  return pair;
}
