import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { ReactNode } from 'react';
import { Button } from '@/components/ui/button';
import { Dialog } from '@/components/ui/dialog';
import { Notice } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { repositoryEnvironmentQuery } from '../api/get-repository-environment';
import type { NamedRepository } from '../api/get-repository-environment';
import { useSaveRepositoryEnvironment } from '../api/save-repository-environment';
import { environmentDraft, environmentOf } from './environment';
import type { Environment } from './environment';
import { EnvironmentFields } from './environment-fields';

interface RepositoryEnvironmentProps {
  readonly repository: NamedRepository;
  readonly onEdit: () => void;
}

/** What is set for all of the person's sessions on a repository, and the way to change it. */
export function RepositoryEnvironment({ repository, onEdit }: RepositoryEnvironmentProps): ReactNode {
  const { data } = useQuery(repositoryEnvironmentQuery(repository));
  return (
    <p className="hint" data-testid="repository-environment">
      {data !== undefined && <>Set for {repository.fullName}: {summary(data)}. </>}
      <Button look="quiet" data-testid="edit-repository-environment" onClick={onEdit}>
        Change it for all sessions on {repository.fullName}
      </Button>
    </p>
  );
}

function summary({ image, setup, env }: Environment): string {
  const names = Object.keys(env).sort().join(', ');
  const parts = [image && `image ${image}`, setup && 'a set-up script', names && `variables ${names}`];
  return parts.filter(Boolean).join(', ') || 'nothing';
}

interface RepositoryEnvironmentDialogProps {
  readonly repository: NamedRepository;
  readonly onClose: () => void;
}

/** Holds for the sessions that are begun from now on. */
export function RepositoryEnvironmentDialog({ repository, onClose }: RepositoryEnvironmentDialogProps): ReactNode {
  const { data, error } = useQuery(repositoryEnvironmentQuery(repository));
  const title = `Environment of ${repository.fullName}`;
  return (
    <Dialog title={title} label={title} onClose={onClose}>
      <Notice text={error === null ? '' : errorText(error)} />
      {data !== undefined && <EnvironmentForm repository={repository} known={data} onClose={onClose} />}
    </Dialog>
  );
}

function EnvironmentForm({ repository, known, onClose }: RepositoryEnvironmentDialogProps & { readonly known: Environment }): ReactNode {
  const [draft, setDraft] = useState(() => environmentDraft(known));
  const save = useSaveRepositoryEnvironment(repository);
  const wanted = environmentOf(draft, Object.keys(known.env));
  const wrong = typeof wanted === 'string' ? wanted : save.isError ? errorText(save.error) : '';
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (typeof wanted !== 'string') save.mutate(wanted, { onSuccess: onClose });
      }}
    >
      <EnvironmentFields
        value={draft}
        onChange={setDraft}
        intro={
          <>
            For your sessions on this repository from now on. It goes before <code>.lucid/config.toml</code>; what a session asks for goes before both.
          </>
        }
        more="Values are shown nowhere: a name alone keeps the one that is saved."
      />
      <Notice text={wrong} />
      <div className="dialog-actions">
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" look="primary" busy={save.isPending} disabled={typeof wanted === 'string'} data-testid="save-environment">
          Save
        </Button>
      </div>
    </form>
  );
}
