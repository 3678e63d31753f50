"""What people attach reaches the agent, in a form that LivePerson takes; else they are told."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from lp_sandbox.slack.files import Attachment
from tests.e2e.files import PDF, got, noise, office, picture
from tests.e2e.world import ANA, BEN, CHANNEL, SIGNUP_ACCOUNT, World, said
from tests.liveperson.schemas import faults
from tests.relay.here import bridge_here

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

PNG = picture()


async def test_a_picture_reaches_the_agent_after_the_text_that_came_with_it(world: World) -> None:
    thread, conversation = await world.talking()
    await thread.say("look at this", files=[Attachment("router.png", PNG)])
    await thread.say("and?")
    want = ["look at this", ("router.png", "PNG", PNG), "and?"]
    await world.until(lambda: got(world, conversation) == want)
    [event] = [
        entry.event["message"]
        for entry in world.liveperson.transcript(conversation.id)
        if entry.event.get("contentType") == "hosted/file"
    ]
    assert event["preview"].startswith("data:image/jpeg;base64,")
    assert len(event["preview"]) < 30_000
    assert not any("not passed on" in text for text in thread.texts)


async def test_the_frames_are_as_the_schemas_want_them(world: World) -> None:
    thread, conversation = await world.talking()
    await thread.say("", files=[Attachment("router.png", PNG)])
    await world.until(lambda: len(got(world, conversation)) == 1)
    sent = [
        entry.body
        for entry in world.wire.entries()
        if entry.direction == "in"
        and entry.title in ("ms.PublishEvent", "ms.GenerateURLForUploadFile")
    ]
    assert len(sent) == 2
    assert [faults(frame) for frame in sent] == [[], []]


async def test_several_files_are_several_events_in_order(world: World) -> None:
    thread, conversation = await world.talking()
    names = [f"{number}.png" for number in range(4)]
    files = [Attachment(name, picture(colour=f"#00{place}0ff")) for place, name in enumerate(names)]
    await thread.say("", files=files)
    await thread.say("done")
    await world.until(lambda: len(got(world, conversation)) == 5)
    assert [each[0] for each in got(world, conversation)[:4]] == names
    assert [each[2] for each in got(world, conversation)[:4]] == [each.data for each in files]
    assert got(world, conversation)[4] == "done"


async def test_a_long_text_is_whole_before_its_files(world: World) -> None:
    thread, conversation = await world.talking()
    text = "word " * 2_000 + "<@U0BEN>"  # its names are looked up, and it is cut afterwards
    await thread.say(text, files=[Attachment("a.png", PNG)])
    await world.until(lambda: len(got(world, conversation)) == 4)
    *parts, file = got(world, conversation)
    assert "".join(parts).replace(" ", "") == text.replace(" ", "").replace("<@U0BEN>", "@Ben")
    assert file[0] == "a.png"


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("photo.webp", picture("WEBP"), "JPG"),
        ("scan.bmp", picture("BMP"), "JPG"),
        ("scan.tiff", picture("TIFF"), "JPG"),
        ("lies.png", picture("JPEG"), "JPG"),
        ("large.png", noise(), "JPG"),
        ("a.pdf", PDF, "PDF"),
        ("a.docx", office("word"), "DOCX"),
        ("a.xlsx", office("xl"), "XLSX"),
        ("a.pptx", office("ppt"), "PPTX"),
    ],
)
async def test_files_come_as_what_they_are_or_as_what_is_taken(
    world: World, name: str, data: bytes, kind: str
) -> None:
    thread, conversation = await world.talking()
    await thread.say("", files=[Attachment(name, data)])
    await world.until(lambda: len(got(world, conversation)) == 1)
    [(caption, file_type, came)] = got(world, conversation)
    assert (caption, file_type) == (name, kind)
    if kind == "JPG":
        assert Image.open(io.BytesIO(came)).format == "JPEG"
        assert len(came) <= 3_000_000
    else:
        assert came == data


REFUSED = {
    "no picture": (Attachment("a.zip", b"PK\x03\x04" + bytes(90)), "What works: pictures"),
    "a text": (Attachment("notes.txt", b"just words"), "What works: pictures"),
    "nothing": (Attachment("a.png", b""), "It is empty"),
    "damaged": (Attachment("a.png", PNG[:70]), "damaged"),
    "HEIC": (Attachment("a.heic", b"\0\0\0\x18ftypheic" + bytes(99)), "JPG or PNG"),
    "huge": (Attachment("film.mp4", size=50_000_000), "larger than 25 MB"),
    "a large document": (Attachment("a.pdf", PDF + bytes(5_000_000)), "larger than 5 MB"),
    "deleted": (Attachment("a.png", mode="tombstone"), "deleted meanwhile"),
    "a page": (Attachment("a.html", b"<!doctype html>"), "sign in"),
    "never finished": (Attachment("a.png", PNG, unfinished=99), "not finished"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_cannot_be_sent_is_told_on_its_message_and_the_rest_goes_on(
    world: World, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.relay.delivery.files.ASKS", 2)
    thread, conversation = await world.talking()
    attachment, words = REFUSED[case]
    ts = await thread.say("before", files=[attachment, Attachment("b.png", PNG)])
    await thread.say("after")
    want = ["before", ("b.png", "PNG", PNG), "after"]
    await world.until(lambda: got(world, conversation) == want)
    notice = await thread.shows(f"“{attachment.name}” was not passed on")
    assert words in notice["text"]
    assert "warning" in world.slack.reactions(CHANNEL, ts)


async def test_a_file_that_lies_elsewhere_is_sent_as_its_link(world: World) -> None:
    thread, conversation = await world.talking()
    await thread.say("", files=[Attachment("plan", mode="external", url="https://docs.example/1")])
    await world.until(lambda: got(world, conversation) == ["plan\nhttps://docs.example/1"])


async def test_stubs_are_asked_about_and_unfinished_files_waited_for(world: World) -> None:
    thread, conversation = await world.talking()
    stub = Attachment("a.png", PNG, mode="stub")
    await thread.say("", files=[stub, Attachment("b.png", PNG, unfinished=1)])
    await world.until(lambda: len(got(world, conversation)) == 2)
    assert [each[0] for each in got(world, conversation)] == ["a.png", "b.png"]


async def test_a_file_that_is_deleted_while_it_waits(world: World) -> None:
    thread, conversation = await world.talking()
    ts = await thread.say("", files=[Attachment("a.png", PNG, unfinished=2)])
    [file] = world.slack.workspace.message(CHANNEL, ts).as_dict()["files"]
    world.slack.files.delete(file["id"])
    await thread.shows("It was deleted meanwhile.")
    await thread.say("after")
    await world.until(lambda: got(world, conversation) == ["after"])


@pytest.mark.parametrize("redirect", ["origin", "elsewhere"])
async def test_the_token_follows_to_slacks_hosts_only(world: World, redirect: Any) -> None:
    world.slack.files.redirect = redirect
    thread, conversation = await world.talking()
    await thread.say("", files=[Attachment("a.png", PNG)])
    if redirect == "origin":
        await world.until(lambda: got(world, conversation) == [("a.png", "PNG", PNG)])
    else:
        await thread.shows("not at Slack's")
    assert world.slack.files.leaked == []


async def test_files_of_several_people_carry_their_names(world: World) -> None:
    thread, conversation = await world.talking()
    await thread.say("", user=BEN, files=[Attachment("a.png", PNG)])
    await thread.say("", user=ANA, files=[Attachment("b.png", PNG)])
    await world.until(lambda: len(got(world, conversation)) == 2)
    assert [each[0] for each in got(world, conversation)] == ["Ben: a.png", "Ana: b.png"]


async def test_an_account_that_takes_pictures_only_says_so(world: World) -> None:
    thread, conversation = await world.talking(SIGNUP_ACCOUNT)
    await thread.say("", files=[Attachment("a.pdf", PDF), Attachment("a.png", PNG)])
    notice = await thread.shows("“a.pdf” was not passed on")
    assert "takes JPG, PNG and GIF" in notice["text"]
    await world.until(lambda: got(world, conversation) == [("a.png", "PNG", PNG)])


async def test_an_account_that_takes_no_files_says_so(world: World) -> None:
    world.liveperson.accounts[SIGNUP_ACCOUNT].file_sharing = False
    thread, conversation = await world.talking(SIGNUP_ACCOUNT)
    await thread.say("hi", files=[Attachment("a.png", PNG)])
    await thread.shows("This account takes no files.")
    assert got(world, conversation) == ["hi"]


async def test_the_configuration_can_decide(
    database_url: str, encryption_key: str, tmp_path: Any
) -> None:
    from tests.e2e.world import world_of

    config = tmp_path / "bridge.toml"
    config.write_text('[accounts.12345678]\nfiles = "images"\n')
    async with (
        world_of(database_url, encryption_key) as world,
        bridge_here(world, BRIDGE_CONFIG=str(config)),
    ):
        thread, _ = await world.talking()
        await thread.say("", files=[Attachment("a.pdf", PDF)])
        await thread.shows("takes JPG, PNG and GIF")


async def test_an_address_that_is_too_old_is_asked_for_again(world: World) -> None:
    thread, conversation = await world.talking()
    world.liveperson.faults.http_status("swift", 401)
    world.liveperson.faults.http_status("swift", 503)
    await thread.say("", files=[Attachment("a.png", PNG)])
    await world.until(lambda: got(world, conversation) == [("a.png", "PNG", PNG)])


async def test_a_storage_that_fails_for_good_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.relay.shared.hosted.TRIES", 2)
    thread, conversation = await world.talking()
    world.liveperson.faults.http_status("swift", 503, times=None)
    await thread.say("", files=[Attachment("a.png", PNG)])
    await thread.say("after")
    await thread.shows("file storage fails")
    await world.until(lambda: said(world, conversation) == ["after"])


async def test_a_server_that_hangs_up_on_each_request_holds_up_nothing_for_ever(
    world: World,
) -> None:
    thread, conversation = await world.talking()
    world.liveperson.faults.drop_before("ms.GenerateURLForUploadFile", times=None)
    await thread.say("", files=[Attachment("a.png", PNG)])
    await thread.say("after")
    await world.until(lambda: said(world, conversation) == ["after"], 40)
    await thread.shows("LivePerson does not take it.")


async def test_a_missing_permission_is_told_and_text_goes_on(world: World) -> None:
    thread, conversation = await world.talking()
    world.slack.faults.refuse("files.info", "missing_scope", needed="files:read")
    await thread.say("hi", files=[Attachment("a.png", PNG)])
    notice = await thread.shows("“a.png” was not passed on")
    assert "app_manifest.yml" in notice["text"]
    assert got(world, conversation) == ["hi"]


async def test_a_slow_file_holds_up_its_own_thread_only(world: World) -> None:
    thread, conversation = await world.talking()
    before = world.conversation()
    world.liveperson.faults.hold_http("swift", seconds=60)
    await thread.say("", files=[Attachment("a.png", PNG)])
    await thread.say("after")
    other = await world.connect()
    elsewhere = await world.until(lambda: (c := world.conversation()) is not before and c)
    await other.say("quick")
    await world.until(lambda: said(world, elsewhere) == ["quick"])
    await world.liveperson.say(conversation.id, "still there?")
    await thread.shows("still there?")
    assert got(world, conversation) == []
    world.liveperson.faults.release_http()
    await world.until(lambda: got(world, conversation) == [("a.png", "PNG", PNG), "after"])


async def test_a_file_in_a_thread_that_is_over_is_answered(world: World) -> None:
    thread, conversation = await world.talking()
    await thread.say("hi")
    await world.until(lambda: got(world, conversation) == ["hi"])
    await world.liveperson.close(conversation.id)
    await thread.card_shows("lp_again")
    ts = await thread.say("", files=[Attachment("a.png", PNG)])
    await thread.shows("This conversation has ended")
    await world.until(lambda: "warning" in world.slack.reactions(CHANNEL, ts))
    assert got(world, conversation) == ["hi"]


async def test_a_file_that_slack_does_not_name_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread, conversation = await world.talking()
    monkeypatch.setattr(world.slack.files, "told", lambda file: {"name": file.name})
    await thread.say("", files=["a.png"])
    await thread.shows("“a.png” was not passed on")
    await thread.say("hi", files=["b.png"])
    await thread.shows("“b.png” was not passed on")
    await world.until(lambda: got(world, conversation) == ["hi"])
