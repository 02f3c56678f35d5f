import type { ReactNode } from 'react';

/** A failure in words, announced to screen readers. */
export function Notice({ text, look = 'error' }: { text: string; look?: 'error' | 'info' }): ReactNode {
  if (text === '') return null;
  return (
    <p className={`notice notice-${look}`} role={look === 'error' ? 'alert' : 'status'}>
      {text}
    </p>
  );
}

/** Something is under way. */
export function Spinner({ label }: { label: string }): ReactNode {
  return (
    <span className="spinner-row" role="status">
      <span className="spinner" aria-hidden="true" />
      <span>{label}</span>
    </span>
  );
}
