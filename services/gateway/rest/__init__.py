"""Plain HTTP at the edge: the contract's rows, grpc-web, and the page's files."""
