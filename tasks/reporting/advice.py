"""What a person should do about a failure, by its code and class."""

from data.domain.errors import FailureClass

_BY_CODE = {
    "DATA.INPUT.NOT_MEDIA": "The files are no videos. Check what the supplier or export puts there.",
    "DATA.INPUT.CORRUPT": "The files open but cannot be decoded. Get them again from where they came from.",
    "DATA.INPUT.TRUNCATED": "The files end too early: a transfer was cut off. Copy them again, whole.",
    "DATA.INPUT.UNSUPPORTED": "Playlists, pictures and sound alone are not taken. Hand in the video itself.",
    "DATA.INPUT.TOO_LARGE": "Larger than the limits allow. Hand in smaller files, or raise the limit if that is meant.",
    "DATA.INPUT.TOO_LONG": "Longer than the limits allow. Cut the videos, or raise the limit if that is meant.",
    "DATA.SOURCE.NOT_FOUND": "Nothing lies at the given place. Correct the paths, or put the files there.",
    "DATA.SOURCE.FORBIDDEN": "The sources lie outside the allowed folders or hosts. Move them, or allow the place.",
    "DATA.MANIFEST": "The rows do not say what they should. Correct them in the rejects file, then hand that in.",
    "DATA.RECIPE": "The recipe or a value that overrides it is not valid. Correct the rows.",
    "DATA.ENCODE.FAILED": "The encoder refuses these inputs; the log of the run has its words. Try to convert them.",
    "DATA.OUTPUT.REFUSED": "The publish gate found the result unfit; what was public before still is. See the source.",
    "TRANSIENT.SOURCE": "The host of the sources did not answer. Retry; if it stays so, ask its owner.",
    "TRANSIENT.STORE": "The object store did not answer. Check it, then retry.",
    "TRANSIENT.PUBLICATION.CONFLICT": "Something else published the same video at the same time. Retry.",
    "TRANSIENT.DOWNLOAD": "A pinned download did not arrive. Check the network, then retry.",
    "INFRA.DISK.FULL": "A disk was full. Free space for scratch files and the store, then retry.",
    "INFRA.ENCODER.KILLED": "Something ended the encoder; often memory ran out. Check the machine, then retry.",
    "INFRA.ENCODER.STALLED": "The encoder stood still until it was ended. Check disks and network shares, then retry.",
    "INFRA.PREFECT": "The Prefect server did not answer. Check it, then retry.",
    "INFRA.CATALOGUE": "The catalogue database did not answer. Check it, then retry.",
    "INFRA.TOOL.MISSING": "A program is missing on a worker. Install it (the message names it), then retry.",
    "INFRA.MODEL.MISSING": "The weights of a model are missing. Fetch them with the models command, then retry.",
    "INFRA.STORE.OBJECT_MISSING": "The store lacks something that the catalogue knows. Check the store, then retry.",
    "INFRA.TIME_LIMIT": "A step reached its time limit. Raise the limit for such long work, or split the videos.",
    "CANCELLED": "Stopped on request. Retry if the work is still wanted.",
}

_BY_CLASS = {
    FailureClass.DATA: "The input is at fault; the same input fails again. Correct the rows, then submit them again.",
    FailureClass.TRANSIENT: "This may pass by itself. Retry.",
    FailureClass.PROVIDER: "A provider failed. Check its status, then retry.",
    FailureClass.POLICY: "Refused by policy. Change what the rows ask for; a retry alone is refused again.",
    FailureClass.INFRA: "Machines are at fault, not the rows. Repair the cause, then retry.",
    FailureClass.BUDGET: "The money or time allowed was used up. Raise the budget, then retry.",
    FailureClass.CANCELLED: "Stopped on request. Retry if the work is still wanted.",
}

_UNKNOWN = "Look at the log of the run, then retry."


def advice_for(code: str, failure_class: str) -> str:
    """Return one or two sentences that say what to do; the longest known beginning of the code decides."""
    parts = code.split(".")
    for length in range(len(parts), 0, -1):
        known = _BY_CODE.get(".".join(parts[:length]))
        if known:
            return known
    return _BY_CLASS.get(FailureClass(failure_class), _UNKNOWN) if failure_class in set(FailureClass) else _UNKNOWN
