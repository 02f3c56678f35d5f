import { useEffect, useRef } from 'react';
import type { ReactNode } from 'react';
import { Button } from './button';
import { Icon } from './icon';

interface DialogProps {
  readonly title: ReactNode;
  readonly label: string;
  readonly onClose: () => void;
  readonly wide?: boolean;
  readonly children: ReactNode;
}

/** A modal window over the page: the browser keeps the focus inside and closes it on Escape. */
export function Dialog({ title, label, onClose, wide = false, children }: DialogProps): ReactNode {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={element}
      className={wide ? 'dialog dialog-wide' : 'dialog'}
      aria-label={label}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === element.current) onClose();
      }}
    >
      <header className="dialog-head">
        <div className="dialog-title">{title}</div>
        <Button look="quiet" className="button-icon" aria-label="Close" onClick={onClose}>
          <Icon name="close" />
        </Button>
      </header>
      <div className="dialog-body">{children}</div>
    </dialog>
  );
}
