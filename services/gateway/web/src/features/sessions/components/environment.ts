/** What a sandbox is made with, as the services take it; empty and 0 mean: as the repository says, else the default. */
export interface Environment {
  readonly image: string;
  readonly setup: string;
  readonly setupSeconds: number;
  readonly env: Readonly<Record<string, string>>;
}

/** The same as a person writes it: minutes, and one NAME=value a line. */
export interface EnvironmentDraft {
  readonly image: string;
  readonly setup: string;
  readonly minutes: string;
  readonly variables: string;
}

export const NO_ENVIRONMENT: EnvironmentDraft = { image: '', setup: '', minutes: '', variables: '' };

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const IMAGE = /^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,299}$/;
/** As long as the services let a script run. */
const MOST_MINUTES = 60;

/** What a person has written, as it is sent; a text says what is wrong with it. */
export function environmentOf(draft: EnvironmentDraft): Environment | string {
  const image = draft.image.trim();
  if (image !== '' && !IMAGE.test(image)) return 'The image is a name such as golang:1.27.';
  const seconds = secondsOf(draft.minutes);
  if (seconds === undefined) return `The time for the script is a number of minutes up to ${MOST_MINUTES}, or empty for the default.`;
  const env = variablesOf(draft.variables);
  if (typeof env === 'string') return env;
  return { image, setup: draft.setup.trim(), setupSeconds: seconds, env };
}

/** True if it asks for nothing. */
export function isPlain({ image, setup, env }: Environment): boolean {
  return image === '' && setup === '' && Object.keys(env).length === 0;
}

function secondsOf(text: string): number | undefined {
  if (text.trim() === '') return 0;
  const minutes = Number(text.trim().replace(',', '.'));
  return minutes > 0 && minutes <= MOST_MINUTES ? Math.max(1, Math.round(minutes * 60)) : undefined;
}

/** Values are taken as they stand, quotes and all; no error repeats one: it may be what nobody should read. */
function variablesOf(text: string): Record<string, string> | string {
  const found = new Map<string, string>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    const at = line.indexOf('=');
    const name = line.slice(0, Math.max(0, at)).trim();
    if (!NAME.test(name)) return `Variables, line ${index + 1}: NAME=value is expected.`;
    if (found.has(name)) return `Variables, line ${index + 1}: ${name} is there twice.`;
    found.set(name, line.slice(at + 1));
  }
  return Object.fromEntries(found);
}
