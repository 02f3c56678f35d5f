"""One async function per RPC, and the steps they share."""
