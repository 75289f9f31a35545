"""The relay of webhooks: reads what became of jobs and batches, and tells who wants to know.

Two halves that share nothing but the outbox in the catalogue. The *collector* reads Prefect's states and the batches'
moves and records events; the *courier* delivers them. Whatever dies, and when: what was not recorded is read again and
gets the same ids, and what was not noted as delivered is sent again under its id. Receivers may see an event twice, but
never one missing, and never two ids for one thing. Of several processes only one relays at a time.
"""

from api.relay.life import relaying, run_relay

__all__ = ["relaying", "run_relay"]
