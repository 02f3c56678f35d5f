import type { ButtonHTMLAttributes, ReactNode } from 'react';

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly look?: 'plain' | 'primary' | 'danger' | 'quiet';
  readonly busy?: boolean;
}

/** A button; while `busy` it cannot be pressed and says so. */
export function Button({ look = 'plain', busy = false, className, disabled, ...rest }: ButtonProps): ReactNode {
  return (
    <button
      type="button"
      className={`button button-${look} ${className ?? ''}`}
      disabled={disabled === true || busy}
      aria-busy={busy}
      {...rest}
    />
  );
}
