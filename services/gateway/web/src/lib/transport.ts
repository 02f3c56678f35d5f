import { createClient } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-web';
import { AccountsService } from '@gen/lucid/gateway/v1/accounts_pb';
import { IntegrationsService } from '@gen/lucid/integrations/v1/integrations_pb';
import { SandboxService } from '@gen/lucid/sandbox/v1/sandbox_pb';
import { SessionsService } from '@gen/lucid/sessions/v1/sessions_pb';

// The one way out for unary calls; the cookie goes along because the origin is ours.
const transport = createGrpcWebTransport({ baseUrl: window.location.origin, defaultTimeoutMs: 60_000 });

export const accounts = createClient(AccountsService, transport);
export const sessions = createClient(SessionsService, transport);
export const integrations = createClient(IntegrationsService, transport);
export const sandbox = createClient(SandboxService, transport);
