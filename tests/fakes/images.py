"""The part of a sandbox's stand-in that is about its image and variables."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.sessions.domain.models import SessionRecord
from services.sessions.domain.work import Surroundings, ToolFailure


@dataclass(kw_only=True)
class Images:
    """`allowed`: the operator's list, the default first; none where there are no images.

    `surroundings`: as it is now.
    """

    allowed: tuple[str, ...] = ()
    unsuitable: tuple[str, ...] = ()
    surroundings: tuple[str, dict[str, str]] | None = None

    async def images(self) -> tuple[str, ...]:
        return self.allowed

    async def configure(self, record: SessionRecord, image: str, variables: Mapping[str, str]) -> Surroundings:
        if image and self.allowed and image not in self.allowed:
            raise ToolFailure("IMAGE_NOT_ALLOWED", f"The image {image} is not on the operator's list.")
        if image in self.unsuitable:
            raise ToolFailure("IMAGE_UNSUITABLE", f"The image {image} is made for riscv64.")
        default = self.allowed[0] if self.allowed else ""
        wanted = ((image or default) if self.allowed else "", dict(variables))
        remade = wanted != (self.surroundings or (default, {}))
        self.surroundings = wanted
        return Surroundings(wanted[0], remade)
