import asyncio

import pytest

from api.edge.quotas import UploadQuotas
from api.edge.rates import Rates
from data.domain.errors import QuotaSpentError
from data.settings import LimitSettings


def test_one_caller_uploads_so_many_files_at_once_and_another_has_room_of_its_own() -> None:
    async def story() -> None:
        settings = LimitSettings(uploads_at_once=2)
        quotas = UploadQuotas(Rates(settings), settings)
        async with quotas.upload("me", 0), quotas.upload("me", 0), quotas.upload("other", 0):
            with pytest.raises(QuotaSpentError, match="2 uploads"):
                async with quotas.upload("me", 0):
                    pass
        async with quotas.upload("me", 0):
            pass

    asyncio.run(story())
