import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { ReactNode } from 'react';
import type { ReadFileResponse } from '@gen/lucid/sandbox/v1/sandbox_pb';
import { Icon } from '@/components/ui/icon';
import { Dialog } from '@/components/ui/dialog';
import { Notice, Spinner } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { size } from '@/lib/format';
import { shownName } from '@/lib/names';
import { downloadPath } from '../api/download';
import { fileQuery } from '../api/read-file';

interface FileViewerProps {
  readonly sessionId: string;
  readonly sandboxId: string;
  readonly path: string;
  readonly onClose: () => void;
}

/** A file of the workspace over the page, to be read and not to be written. */
export function FileViewer({ sessionId, sandboxId, path, onClose }: FileViewerProps): ReactNode {
  const file = useQuery(fileQuery(sandboxId, path));
  return (
    <Dialog wide label={`File ${shownName(path)}`} title={<code className="viewer-path">{shownName(path)}</code>} onClose={onClose}>
      {file.isPending && <Spinner label="Reading" />}
      <Notice text={file.isError ? errorText(file.error) : ''} />
      {file.isSuccess && <Content file={file.data} />}
      <p className="viewer-foot">
        <a className="button button-quiet" href={downloadPath(sessionId, path)} download>
          <Icon name="save" size={14} /> Download
        </a>
      </p>
    </Dialog>
  );
}

function Content({ file }: { file: ReadFileResponse }): ReactNode {
  const text = useMemo(() => decode(file.data), [file]);
  const lines = useMemo(() => text?.replace(/\n$/, '').split('\n').length ?? 0, [text]);
  const whole = Number(file.size);
  if (text === undefined) return <p className="muted">Binary file, {size(whole)}</p>;
  return (
    <>
      <div className="viewer">
        <pre className="viewer-numbers" aria-hidden="true">
          {Array.from({ length: lines }, (_, index) => index + 1).join('\n')}
        </pre>
        <pre className="viewer-text" data-testid="file-content" tabIndex={0}>
          {text}
        </pre>
      </div>
      {whole > file.data.length && (
        <p className="muted small">
          The first {size(file.data.length)} of {size(whole)}
        </p>
      )}
    </>
  );
}

/** The text, or undefined where it is not one: a zero byte, as git decides it. */
function decode(bytes: Uint8Array): string | undefined {
  return bytes.subarray(0, 8000).includes(0) ? undefined : new TextDecoder().decode(bytes);
}
