"""What a model call costs, by the public price list of genai-prices."""

from dataclasses import replace

from services.sessions.domain.conversation import UsagePiece


def load_prices() -> None:
    """Loads the list; otherwise the first call that is priced does."""
    import genai_prices.data  # noqa: F401


def priced(usage: UsagePiece, provider: str, model: str, own_server: bool = True) -> UsagePiece:
    """The usage with its cost in millionths of a US dollar, and the model's window; unchanged where it is unknown.

    Another server than the provider's own may ask anything for its answers: there only the window is known.
    """
    if not provider:
        return usage
    # Imported here: the list takes a fifth of a second to load, and a start without model keys never needs it.
    from genai_prices import Usage, calc_price

    counts = Usage(
        # The list counts cached tokens as part of the input.
        input_tokens=usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    try:
        price = calc_price(counts, model.removeprefix("models/"), provider_id=provider)
    except (LookupError, ValueError):
        return usage
    known = replace(usage, context_window=price.model.context_window or 0)
    return replace(known, cost_micros=round(price.total_price * 1_000_000), price_known=True) if own_server else known
