import { queryOptions } from '@tanstack/react-query';
import { sandbox } from '@/lib/transport';

/** The images that a sandbox may have, the default first, `*` for any characters; none where sandboxes have no images. */
export const imagesQuery = queryOptions({
  queryKey: ['images'],
  queryFn: async () => (await sandbox.listImages({})).images,
  staleTime: 60_000,
});
