import type { ReactNode } from 'react';
import { NetworkMode } from '@gen/lucid/sessions/v1/event_pb';
import { Popover } from '@/components/ui/popover';
import type { Header } from '../stores/timeline-model';

const LEVELS: Readonly<Record<string, string>> = {
  docker: 'A container with dropped rights, limits and no network device',
  bubblewrap: 'Namespaces by bubblewrap: no network device, no limit on memory or CPU',
  process: 'A plain process: not confined at all',
};

const MODES: Readonly<Partial<Record<NetworkMode, string>>> = {
  [NetworkMode.OFF]: 'No network: nothing but the repository can be reached.',
  [NetworkMode.REGISTRIES]: 'Package registries can be reached, over https:',
  [NetworkMode.LIST]: 'Listed hosts can be reached, over https:',
};

/** How the sandbox is confined, and on demand what it may reach. */
export function SandboxFacts({ level, network }: { level: string; network: Header['network'] }): ReactNode {
  const look = level === 'process' ? 'badge badge-bad' : 'badge confined';
  return (
    <Popover
      label={`Sandbox: ${level}`}
      className="usage-button"
      title={LEVELS[level] ?? ''}
      face={
        <span className={look} data-testid="confinement">
          {level}
        </span>
      }
    >
      <div className="usage" data-testid="sandbox-facts">
        <p>{LEVELS[level]}.</p>
        {level !== 'process' && <Network network={network} />}
      </div>
    </Popover>
  );
}

function Network({ network: { mode, allowed } }: { network: Header['network'] }): ReactNode {
  const words = MODES[mode];
  if (words === undefined) return null;
  return (
    <>
      <p>{mode !== NetworkMode.OFF && allowed.length === 0 ? 'No host is allowed: nothing but the repository can be reached.' : words}</p>
      <ul data-testid="allowed-hosts">
        {allowed.map((host) => (
          <li key={host}>
            <code>{host}</code>
          </li>
        ))}
      </ul>
    </>
  );
}
