import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { ReactNode } from 'react';
import { NetworkMode } from '@gen/lucid/sessions/v1/event_pb';
import { Button } from '@/components/ui/button';
import { Notice } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { useCreateSession } from '../api/create-session';
import { modelsQuery } from '../api/list-models';
import { environmentOf, isPlain, NO_ENVIRONMENT } from './environment';
import { EnvironmentFields } from './environment-fields';
import { RepositoryEnvironment, RepositoryEnvironmentDialog } from './repository-environment';
import { NetworkField } from './network-field';
import { NO_DRAFT, policyOf } from './policy';
import { PolicyFields } from './policy-fields';

/** A repository as the form needs it, whoever has picked it. */
interface Target {
  readonly provider: string;
  readonly fullName: string;
  readonly url: string;
}

interface NewSessionFormProps {
  readonly picker: ReactNode;
  /** What confines new sessions. */
  readonly confinement: ReactNode;
  readonly target: Target | undefined;
  readonly onCreated: (sessionId: string) => void;
}

/** For a repository of this machine, where the first one comes with a bug and its description. */
const SUGGESTION = 'Mend the bug that ISSUE.md describes, and open a pull request.';

const LEFT_EMPTY = (
  <>
    For this session. What you leave empty is as you have set it for the repository, else as its <code>.lucid/config.toml</code> says.
  </>
);

/** Asks for a repository, a task and a model, and starts a session. */
export function NewSessionForm({ picker, confinement, target, onCreated }: NewSessionFormProps): ReactNode {
  const [task, setTask] = useState('');
  const [model, setModel] = useState('');
  const [draft, setDraft] = useState(NO_DRAFT);
  const [around, setAround] = useState(NO_ENVIRONMENT);
  const [network, setNetwork] = useState(NetworkMode.UNSPECIFIED);
  const create = useCreateSession(onCreated);
  const policy = policyOf(draft);
  const [editing, setEditing] = useState(false);
  const named = target !== undefined && target.fullName !== '' ? target : undefined;
  const wanted = environmentOf(around);
  const wrong = typeof wanted === 'string' ? wanted : '';
  const ready = task.trim() !== '' && policy !== undefined && wrong === '' && !create.isPending && !create.isSuccess;
  function start(): void {
    if (!ready || typeof wanted === 'string') return;
    const wish = { task, model, network, ...policy, ...(!isPlain(wanted.environment) && { environment: wanted.environment }) };
    create.mutate({ ...wish, ...(target && { repository: repository(target) }) });
  }
  return (
    <>
      <form
        className="new-session"
        onSubmit={(event) => {
          event.preventDefault();
          start();
        }}
      >
        <div className="field">
          <span className="field-label">Repository</span>
          {picker}
        </div>
        <label className="field">
          <span className="field-label">Task</span>
          <textarea
            className="input task-input"
            rows={6}
            placeholder="What shall be done? The more it knows, the better: what is wrong, where, how you would check it."
            value={task}
            data-testid="task-input"
            onChange={(event) => setTask(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === 'Enter' && (event.metaKey || event.ctrlKey)) start();
            }}
          />
        </label>
        {task === '' && target?.provider === 'local' && (
          <Button look="quiet" className="suggestion" data-testid="suggested-task" onClick={() => setTask(SUGGESTION)}>
            Suggested: {SUGGESTION}
          </Button>
        )}
        <details className="advanced">
          <summary data-testid="advanced">Confirmations, budget, fallback, network</summary>
          <PolicyFields value={draft} onChange={setDraft} />
          <NetworkField value={network} onChange={setNetwork} />
          <Notice text={policy === undefined ? 'A budget is a number, or empty for the default.' : ''} />
        </details>
        <details className="advanced">
          <summary data-testid="advanced-environment">Environment: image, set-up script, variables</summary>
          <EnvironmentFields value={around} onChange={setAround} intro={LEFT_EMPTY} />
          {named && <RepositoryEnvironment repository={named} onEdit={() => setEditing(true)} />}
          <Notice text={wrong} />
        </details>
        <div className="new-session-foot">
          <ModelChoice value={model} onChange={setModel} />
          <Button type="submit" look="primary" disabled={!ready} busy={create.isPending} data-testid="start-session">
            {create.isPending ? 'Starting…' : 'Start'}
          </Button>
        </div>
        {confinement}
        <Notice text={create.isError ? errorText(create.error) : ''} />
      </form>
      {editing && named && <RepositoryEnvironmentDialog repository={named} onClose={() => setEditing(false)} />}
    </>
  );
}

/** A pasted address goes as it is; a listed repository by its name. */
function repository({ provider, fullName, url }: Target): Target {
  return fullName === '' ? { provider: '', fullName: '', url } : { provider, fullName, url: '' };
}

function ModelChoice({ value, onChange }: { value: string; onChange: (model: string) => void }): ReactNode {
  const models = useQuery(modelsQuery);
  const all = models.data ?? [];
  const demo = (all.find((model) => model.model === value) ?? all[0])?.isDemo === true;
  return (
    <div className="model-choice">
      <select className="input" aria-label="Model" value={value} onChange={(event) => onChange(event.target.value)}>
        {all.length === 0 && <option value="">Default model</option>}
        {all.map((model, index) => (
          <option key={model.model} value={index === 0 ? '' : model.model}>
            {model.label || model.model}
          </option>
        ))}
      </select>
      {demo && <p className="hint">The demo is no model: it plays a written plan through the real tools, whatever the task says.</p>}
      <Notice text={models.isError ? errorText(models.error) : ''} />
    </div>
  );
}
