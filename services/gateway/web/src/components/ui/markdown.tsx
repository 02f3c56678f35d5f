import { lazy, memo, Suspense } from 'react';
import type { ReactNode } from 'react';
import { splitBlocks } from '@/lib/markdown-blocks';

const MarkdownBody = lazy(() => import('./markdown-body'));

const Block = memo(function Block({ text }: { text: string }): ReactNode {
  return (
    <Suspense fallback={<p className="pre-wrap">{text}</p>}>
      <MarkdownBody text={text} />
    </Suspense>
  );
});

/** Markdown of a person or a model. While it `grows`, only its last block is parsed again. */
export function Markdown({ text, grows = false }: { text: string; grows?: boolean }): ReactNode {
  const blocks = grows ? splitBlocks(text) : [text];
  return (
    <div className="markdown">
      {blocks.map((block, index) => (
        <Block key={index} text={block} />
      ))}
    </div>
  );
}
