import { useState } from 'react';
import type { KeyboardEvent, ReactNode } from 'react';
import { errorText } from '@/lib/errors';
import { useRenameSession } from '../api/rename-session';

interface TitleFieldProps {
  readonly sessionId: string;
  readonly title: string;
  readonly onDone: () => void;
}

/** The title as a field, at its own place: Enter keeps it, Escape leaves it as it was. */
export function TitleField({ sessionId, title, onDone }: TitleFieldProps): ReactNode {
  const [text, setText] = useState(title);
  const rename = useRenameSession(sessionId);
  function save(): void {
    const wanted = text.trim();
    if (wanted === '' || wanted === title) onDone();
    else if (!rename.isPending) rename.mutate(wanted, { onSuccess: onDone });
  }
  function onKeyDown(event: KeyboardEvent): void {
    if (event.key === 'Escape') onDone();
    if (event.key === 'Enter' && !event.nativeEvent.isComposing) save();
  }
  return (
    <input
      className="input title-field"
      aria-label="Title"
      aria-invalid={rename.isError}
      title={rename.isError ? errorText(rename.error) : undefined}
      maxLength={255}
      autoFocus
      value={text}
      data-testid="title-field"
      onFocus={(event) => event.target.select()}
      onBlur={() => (rename.isError ? onDone() : save())}
      onKeyDown={onKeyDown}
      onChange={(event) => setText(event.target.value)}
    />
  );
}
