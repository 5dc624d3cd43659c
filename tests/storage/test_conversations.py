"""Conversations keep their items in order, for their owner."""

from pathlib import Path

from perpend.storage.conversations import ConversationStore
from perpend.storage.rows import ConversationRow, ItemRow
from perpend.storage.store import Store


def items(conversation: str, *ids: str) -> list[ItemRow]:
    return [ItemRow(conversation, id_, b"{}") for id_ in ids]


async def test_one_comes_back_to_its_owner_alone_and_changes(tmp_path: Path) -> None:
    with Store.open(tmp_path / "perpend.db") as store:
        conversations = ConversationStore(store)
        row = ConversationRow("conv_1", "key_1", 7, b"{}")
        await conversations.put(row)
        assert conversations.get("conv_1", "key_1") == row
        assert conversations.get("conv_1", None) is None
        changed = ConversationRow("conv_1", "key_1", 7, b'{"topic": "sums"}')
        await conversations.put(changed)
        assert conversations.get("conv_1", "key_1") == changed


async def test_items_stand_in_the_order_in_which_they_were_added(tmp_path: Path) -> None:
    with Store.open(tmp_path / "perpend.db", durability="power") as store:
        conversations = ConversationStore(store)
        many = items("conv_1", *(f"msg_{at}" for at in range(1200)))
        await conversations.add(many)
        await conversations.add(items("conv_2", "msg_a", "msg_b"))
        assert conversations.items("conv_1") == many
        await conversations.remove("conv_2", "msg_b")
        await conversations.add(items("conv_2", "msg_c"))
        assert [item.id for item in conversations.items("conv_2")] == ["msg_a", "msg_c"]


async def test_one_goes_with_its_items(tmp_path: Path) -> None:
    with Store.open(tmp_path / "perpend.db") as store:
        conversations = ConversationStore(store)
        await conversations.put(ConversationRow("conv_1", None, 7, b"{}"))
        await conversations.add(items("conv_1", "msg_a"))
        await conversations.delete("conv_1")
        assert conversations.get("conv_1", None) is None
        assert conversations.items("conv_1") == []
