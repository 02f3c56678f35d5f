import type { ReactNode } from 'react';
import { Button } from '@/components/ui/button';
import { Dialog } from '@/components/ui/dialog';
import { Notice } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { useDeleteSession } from '../api/delete-session';

interface DeleteDialogProps {
  readonly sessionId: string;
  readonly title: string;
  readonly onDeleted: () => void;
  readonly onClose: () => void;
}

/** Asks once more before a session is removed. */
export function DeleteDialog({ sessionId, title, onDeleted, onClose }: DeleteDialogProps): ReactNode {
  const remove = useDeleteSession(sessionId, onDeleted);
  return (
    <Dialog title="Delete conversation?" label="Delete conversation" onClose={onClose}>
      <p>
        <strong>{title}</strong> ends, and its history and workspace are removed. What was pushed stays.
      </p>
      <Notice text={remove.isError ? errorText(remove.error) : ''} />
      <div className="dialog-actions">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="danger" busy={remove.isPending} data-testid="confirm-delete" onClick={() => remove.mutate()}>
          Delete
        </Button>
      </div>
    </Dialog>
  );
}
