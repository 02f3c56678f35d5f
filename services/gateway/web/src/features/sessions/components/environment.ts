/** What a sandbox is made with, as the services take it; empty and 0 mean: as set elsewhere, else the default. */
export interface Environment {
  readonly image: string;
  readonly setup: string;
  readonly setupSeconds: number;
  readonly env: Readonly<Record<string, string>>;
}

/** The same as a person writes it: minutes, and one NAME=value a line; a name alone keeps the value of before. */
export interface EnvironmentDraft {
  readonly image: string;
  readonly setup: string;
  readonly minutes: string;
  readonly variables: string;
}

/** What a person wants. `keptVariables`: those whose value of before stays; it is shown nowhere. */
export interface WantedEnvironment {
  readonly environment: Environment;
  readonly keptVariables: readonly string[];
}

export const NO_ENVIRONMENT: EnvironmentDraft = { image: '', setup: '', minutes: '', variables: '' };

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const IMAGE = /^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,299}$/;
/** As long as the services let a script run. */
const MOST_MINUTES = 60;

/** What is set, as a person writes it. */
export function environmentDraft({ image, setup, setupSeconds, env }: Environment): EnvironmentDraft {
  const minutes = setupSeconds === 0 ? '' : String(Math.round((setupSeconds / 60) * 1e6) / 1e6);
  return { image, setup, minutes, variables: Object.keys(env).sort().join('\n') };
}

/** What a person has written, as it is sent; a text says what is wrong with it. `saved`: names that have a value. */
export function environmentOf(draft: EnvironmentDraft, saved: readonly string[] = []): WantedEnvironment | string {
  const image = draft.image.trim();
  if (image !== '' && !IMAGE.test(image)) return 'The image is a name such as golang:1.27.';
  const setupSeconds = secondsOf(draft.minutes);
  if (setupSeconds === undefined) return `The time for the script is a number of minutes up to ${MOST_MINUTES}, or empty for the default.`;
  const variables = variablesOf(draft.variables, saved);
  if (typeof variables === 'string') return variables;
  return { environment: { image, setup: draft.setup.trim(), setupSeconds, env: variables.env }, keptVariables: variables.kept };
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
function variablesOf(text: string, saved: readonly string[]): { env: Record<string, string>; kept: string[] } | string {
  const found = new Map<string, string | undefined>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    const at = line.indexOf('=');
    const name = (at < 0 ? line : line.slice(0, at)).trim();
    const whole = at >= 0 || saved.includes(name);
    if (!NAME.test(name) || !whole) return `Variables, line ${index + 1}: NAME=value is expected.`;
    if (found.has(name)) return `Variables, line ${index + 1}: ${name} is there twice.`;
    found.set(name, at < 0 ? undefined : line.slice(at + 1));
  }
  const set = [...found].filter((pair): pair is [string, string] => pair[1] !== undefined);
  return { env: Object.fromEntries(set), kept: [...found.keys()].filter((name) => found.get(name) === undefined) };
}
