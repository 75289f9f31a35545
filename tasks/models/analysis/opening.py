"""Which detector an analysis is made with, and what it needs of the pictures."""

from data.domain.analysis import AnalysisOptions
from data.domain.errors import ModelMissingError
from tasks.models.analysis.detections import SMALL_SIDE, Detector
from tasks.models.analysis.faces import FaceDetector
from tasks.models.analysis.mock import MockDetector
from tasks.models.analysis.motion import MotionDetector
from tasks.models.analysis.onnx import OnnxDetector
from tasks.models.analysis.plan import AnalysisPlan

_DETAIL_SIDE, _TEXT_SIDE = 960, 1280


def wanted_long_side(options: AnalysisOptions) -> int:
    """Return at how many pixels of the longer side pictures are to be given, if the video has as many."""
    if options.ocr_interval is not None:
        return _TEXT_SIDE
    return SMALL_SIDE if options.detector in ("motion", "mock") else _DETAIL_SIDE


def is_small(options: AnalysisOptions) -> bool:
    """Say whether pictures need no more detail than :func:`tasks.media.decoding.decoded_planes` gives."""
    return wanted_long_side(options) <= SMALL_SIDE


def open_detector(plan: AnalysisPlan) -> Detector:
    """Make the detector that a plan names.

    Raises:
        ModelMissingError: It needs a model that is not there.
        DetectorInvalidError: The user's ONNX file is no detector that can be read.
    """
    options = plan.options
    if options.detector == "faces":
        if plan.faces_model is None:
            raise ModelMissingError("The detector `faces` needs the model centerface.", {"model": "centerface"})
        return FaceDetector(plan.faces_model, options.min_confidence)
    if options.detector == "onnx":
        if plan.onnx_model is None:
            raise ModelMissingError("The detector `onnx` needs a model in the settings' folder of detectors.")
        return OnnxDetector(plan.onnx_model, options.min_confidence, plan.threads)
    if options.detector == "mock":
        return MockDetector()
    return MotionDetector(plan.samples_per_second)
