import type { ReactNode } from 'react';

interface ConfinementProps {
  /** docker, bubblewrap or process. */
  readonly level: string;
  /** What could close a sandbox off further and cannot be had there. */
  readonly lacks: readonly string[];
}

const LEVELS: Readonly<Record<string, string>> = {
  docker: 'A container with dropped rights, limits and no network.',
  bubblewrap: 'Namespaces by bubblewrap: no network, no rights, its own files and processes.',
  process: 'A plain process: commands see and change what the server can.',
};

/** How well a session's commands will be closed off, in one line where it is begun. */
export function ConfinementLine({ level, lacks }: ConfinementProps): ReactNode {
  return (
    <p className="hint" data-testid="new-session-confinement">
      <Level level={level} /> {LEVELS[level]} {lacks.length > 0 && `Lacks: ${lacks.join(', ')}.`}
    </p>
  );
}

function Level({ level }: { level: string }): ReactNode {
  return <span className={level === 'process' ? 'badge badge-bad' : 'badge confined'}>{level}</span>;
}
