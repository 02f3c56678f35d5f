import { memo } from 'react';
import type { CSSProperties, ReactNode } from 'react';
import { parseAnsi } from '@/lib/ansi';
import type { AnsiSpan } from '@/lib/ansi';

/** A command's output: colours as spans, everything else as text nodes. */
export const AnsiText = memo(function AnsiText({ text }: { text: string }): ReactNode {
  return parseAnsi(text).map((span, index) =>
    span.className === '' && span.color === undefined && span.background === undefined ? (
      span.text
    ) : (
      <span key={index} className={span.className} style={colors(span)}>
        {span.text}
      </span>
    ),
  );
});

function colors({ color, background }: AnsiSpan): CSSProperties {
  return { ...(color !== undefined && { color }), ...(background !== undefined && { background }) };
}
