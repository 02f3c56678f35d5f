import { useQuery } from '@tanstack/react-query';
import { useId, useMemo, useRef, useState } from 'react';
import type { KeyboardEvent, ReactNode } from 'react';
import type { Repository } from '@gen/lucid/integrations/v1/integrations_pb';
import { Button } from '@/components/ui/button';
import { Icon } from '@/components/ui/icon';
import { Notice } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { repositoriesQuery } from '../api/list-repositories';
import { chosen, findRepositories, pastedAddress, providerName } from './find-repositories';
import type { RepositoryChoice, RepositoryGroup } from './find-repositories';

interface PickerProps {
  readonly value: RepositoryChoice | undefined;
  readonly onChange: (value: RepositoryChoice | undefined) => void;
}

/** Most rows that are drawn; a longer list is narrowed by typing. */
const SHOWN = 200;

/** Picks a repository: a list by provider that is searched as one types, or a pasted address. */
export function RepositoryPicker({ value, onChange }: PickerProps): ReactNode {
  if (value !== undefined) return <Chosen value={value} onClear={() => onChange(undefined)} />;
  return <Search onChange={onChange} />;
}

function Chosen({ value, onClear }: { value: RepositoryChoice; onClear: () => void }): ReactNode {
  return (
    <div className="picked" data-testid="repo-picker">
      <Icon name="folder" />
      <span className="picked-name">{value.fullName || value.url}</span>
      <span className="muted small">{value.provider === '' ? 'by address' : providerName(value.provider)}</span>
      <Button look="quiet" className="button-icon" aria-label="Choose another repository" onClick={onClear}>
        <Icon name="close" />
      </Button>
    </div>
  );
}

function Search({ onChange }: { onChange: (value: RepositoryChoice) => void }): ReactNode {
  const listId = useId();
  const list = useRef<HTMLDivElement>(null);
  const [query, setQuery] = useState('');
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  const repositories = useQuery(repositoriesQuery);
  const address = pastedAddress(query);
  const groups = useMemo(() => findRepositories(repositories.data?.repositories ?? [], query), [repositories.data, query]);
  const flat = useMemo(() => groups.flatMap((group) => group.repositories).slice(0, SHOWN), [groups]);
  const choices = address === undefined ? flat.map(chosen) : [address];

  function move(step: number): void {
    const next = Math.min(Math.max(active + step, 0), choices.length - 1);
    setActive(next);
    list.current?.querySelectorAll('[role=option]')[next]?.scrollIntoView({ block: 'nearest' });
  }
  function onKeyDown(event: KeyboardEvent): void {
    const choice = choices[active];
    if (event.key === 'ArrowDown') move(1);
    else if (event.key === 'ArrowUp') move(-1);
    else if (event.key === 'Escape') setOpen(false);
    else if (event.key === 'Enter' && open && choice !== undefined) onChange(choice);
    else return;
    if (event.key.startsWith('Arrow')) setOpen(true);
    event.preventDefault();
  }

  return (
    <div
      className="picker"
      onBlur={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget)) setOpen(false);
      }}
    >
      <span className="picker-icon">
        <Icon name="search" />
      </span>
      <input
        className="input"
        role="combobox"
        aria-label="Repository"
        aria-expanded={open}
        aria-controls={listId}
        aria-activedescendant={open && choices.length > 0 ? `${listId}-${active}` : undefined}
        autoComplete="off"
        spellCheck={false}
        placeholder="Search your repositories, or paste an address"
        value={query}
        data-testid="repo-picker"
        onFocus={() => setOpen(true)}
        onClick={() => setOpen(true)}
        onKeyDown={onKeyDown}
        onChange={(event) => {
          setQuery(event.target.value);
          setActive(0);
          setOpen(true);
        }}
      />
      {open && (
        <div className="picker-list" role="listbox" id={listId} ref={list} aria-label="Repositories" tabIndex={-1}>
          {address !== undefined ? (
            <Option id={`${listId}-0`} active onPick={() => onChange(address)} name={`Use ${address.url}`} note="" locked={false} />
          ) : (
            <Groups groups={groups} shown={flat} listId={listId} active={active} onChange={onChange} />
          )}
          <ListNotes query={query} empty={choices.length === 0} state={repositories} />
        </div>
      )}
    </div>
  );
}

interface GroupsProps {
  readonly groups: readonly RepositoryGroup[];
  readonly shown: readonly Repository[];
  readonly listId: string;
  readonly active: number;
  readonly onChange: (value: RepositoryChoice) => void;
}

function Groups({ groups, shown, listId, active, onChange }: GroupsProps): ReactNode {
  const position = new Map(shown.map((repository, index) => [repository, index]));
  return groups.map((group) => (
    <div key={group.provider} role="group" aria-label={providerName(group.provider)}>
      <div className="picker-group">{providerName(group.provider)}</div>
      {group.repositories.map((repository) => {
        const index = position.get(repository);
        if (index === undefined) return null;
        return (
          <Option
            key={repository.fullName}
            id={`${listId}-${index}`}
            active={index === active}
            name={repository.fullName}
            note={repository.description}
            locked={repository.private}
            onPick={() => onChange(chosen(repository))}
          />
        );
      })}
    </div>
  ));
}

interface OptionProps {
  readonly id: string;
  readonly active: boolean;
  readonly name: string;
  readonly note: string;
  readonly locked: boolean;
  readonly onPick: () => void;
}

function Option({ id, active, name, note, locked, onPick }: OptionProps): ReactNode {
  return (
    <div
      id={id}
      role="option"
      aria-selected={active}
      className={active ? 'picker-option picker-option-active' : 'picker-option'}
      data-testid="repo-option"
      onMouseDown={(event) => event.preventDefault()}
      onClick={onPick}
    >
      <span className="picker-name">{name}</span>
      {locked && <span className="badge">private</span>}
      <span className="picker-note muted">{note}</span>
    </div>
  );
}

interface NotesProps {
  readonly query: string;
  readonly empty: boolean;
  readonly state: { isPending: boolean; error: Error | null; data?: { failures: Record<string, string> } | undefined };
}

function ListNotes({ query, empty, state }: NotesProps): ReactNode {
  const failures = Object.entries(state.data?.failures ?? {});
  return (
    <>
      {state.isPending && <p className="picker-note muted">Loading repositories…</p>}
      <Notice text={state.error === null ? '' : errorText(state.error)} />
      {failures.map(([provider, reason]) => (
        <Notice key={provider} text={`${providerName(provider)}: ${reason}`} />
      ))}
      {empty && !state.isPending && state.error === null && (
        <p className="picker-note muted">
          {query === '' ? 'No repositories yet: connect an account in the settings, or paste an address.' : 'Nothing found.'}
        </p>
      )}
    </>
  );
}
