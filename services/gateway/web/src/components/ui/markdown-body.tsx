import ReactMarkdown from 'react-markdown';
import type { Components } from 'react-markdown';
import remarkGfm from 'remark-gfm';
import type { ReactNode } from 'react';
import { safeHref } from '@/lib/links';

// A model's text is data: no images (an address could carry something out), links only to http(s), no raw HTML.
const COMPONENTS: Components = {
  a: ({ href, children }) => {
    const safe = safeHref(href ?? '');
    if (safe === undefined) return <>{children}</>;
    return (
      <a href={safe} target="_blank" rel="noopener noreferrer nofollow">
        {children}
      </a>
    );
  },
  img: ({ alt }) => <span className="muted">[image: {alt === undefined || alt === '' ? 'not loaded' : alt}]</span>,
  table: ({ children }) => (
    <div className="table-scroll">
      <table>{children}</table>
    </div>
  ),
};

/** Markdown as elements. */
export default function MarkdownBody({ text }: { text: string }): ReactNode {
  return (
    <ReactMarkdown remarkPlugins={[remarkGfm]} components={COMPONENTS} skipHtml>
      {text}
    </ReactMarkdown>
  );
}
