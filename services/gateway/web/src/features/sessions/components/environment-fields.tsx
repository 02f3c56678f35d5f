import { useQuery } from '@tanstack/react-query';
import { useId } from 'react';
import type { ReactNode } from 'react';
import { imagesQuery } from '../api/list-images';
import type { EnvironmentDraft } from './environment';

interface EnvironmentFieldsProps {
  readonly value: EnvironmentDraft;
  readonly onChange: (value: EnvironmentDraft) => void;
  /** What they hold for. */
  readonly intro: ReactNode;
  /** A last word on variables. */
  readonly more?: string;
}

/** Image, set-up script and variables. */
export function EnvironmentFields({ value, onChange, intro, more = '' }: EnvironmentFieldsProps): ReactNode {
  const set = (name: keyof EnvironmentDraft) => (event: { readonly target: { readonly value: string } }) =>
    onChange({ ...value, [name]: event.target.value });
  return (
    <div className="policy" data-testid="environment">
      <p className="hint">{intro}</p>
      <ImageField value={value.image} onChange={set('image')} />
      <label className="field">
        <span className="field-label">Set-up script</span>
        <textarea className="input code-input" rows={4} spellCheck={false} placeholder={'npm ci\nnpm run build'} value={value.setup} data-testid="environment-setup" onChange={set('setup')} />
        <p className="hint">Bash, in the repository’s folder, before the agent works. It ends at the first command that fails; the agent then knows.</p>
      </label>
      {value.setup.trim() !== '' && (
        <label className="field">
          <span className="field-label">Minutes it may take</span>
          <input className="input" inputMode="decimal" placeholder="10" value={value.minutes} data-testid="environment-minutes" onChange={set('minutes')} />
        </label>
      )}
      <label className="field">
        <span className="field-label">Variables</span>
        <textarea className="input code-input" rows={3} spellCheck={false} autoComplete="off" placeholder="NODE_ENV=test" value={value.variables} data-testid="environment-variables" onChange={set('variables')} />
        <p className="hint">One NAME=value a line, for every command. The agent can read them: no secret that it must not know. {more}</p>
      </label>
    </div>
  );
}

interface ImageFieldProps {
  readonly value: string;
  readonly onChange: (event: { readonly target: { readonly value: string } }) => void;
}

/** A name from the operator's list; entries with a `*` stand for many, so any name can be written. */
function ImageField({ value, onChange }: ImageFieldProps): ReactNode {
  const list = useId();
  const { data: images } = useQuery(imagesQuery);
  if (images?.length === 0) return <p className="hint">Sandboxes have no images here: they use this machine’s tools.</p>;
  return (
    <label className="field">
      <span className="field-label">Image</span>
      <input className="input" list={list} placeholder={images?.[0] ?? 'default'} autoComplete="off" spellCheck={false} value={value} data-testid="environment-image" onChange={onChange} />
      <datalist id={list}>
        {images?.filter((image) => !image.includes('*')).map((image) => <option key={image} value={image} />)}
      </datalist>
      {images !== undefined && images.length > 1 && <p className="hint">Allowed here: {images.join(', ')}</p>}
    </label>
  );
}
