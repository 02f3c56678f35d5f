import { useState } from 'react';
import type { ReactNode } from 'react';
import { Button } from '@/components/ui/button';
import { Dialog } from '@/components/ui/dialog';
import { Notice } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { useConfigureSession } from '../api/configure-session';
import { draftOf, policyOf } from './policy';
import type { StoredPolicy } from './policy';
import { PolicyFields } from './policy-fields';

interface SettingsDialogProps {
  readonly sessionId: string;
  readonly policy: StoredPolicy;
  readonly onClose: () => void;
}

/** How a session works; a running agent follows from its next step. */
export function SettingsDialog({ sessionId, policy, onClose }: SettingsDialogProps): ReactNode {
  const [draft, setDraft] = useState(() => draftOf(policy));
  const configure = useConfigureSession(sessionId);
  const wanted = policyOf(draft);
  return (
    <Dialog title="Session settings" label="Session settings" onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (wanted !== undefined) configure.mutate(wanted, { onSuccess: onClose });
        }}
      >
        <PolicyFields value={draft} onChange={setDraft} />
        <Notice text={wanted === undefined ? 'A budget is a number, or empty for the default.' : configure.isError ? errorText(configure.error) : ''} />
        <div className="dialog-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary" busy={configure.isPending} disabled={wanted === undefined} data-testid="save-settings">
            Save
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
