"""Faces, by the model that the project has for them."""

from pathlib import Path

from tasks.models.analysis.detections import Detections, Look
from tasks.models.faces import MODEL_FILE, find_faces

LABEL = "face"


class FaceDetector:
    """Finds faces in every frame that is looked at.

    Args:
        model_path: CenterFace, as the model store gives it.
        min_confidence: Less sure ones are left out (0–1).
    """

    name = f"faces ({MODEL_FILE.removesuffix('.onnx')})"
    is_simulated = False

    def __init__(self, model_path: Path, min_confidence: float) -> None:
        self._model_path = model_path
        self._min_confidence = min_confidence

    def detect(self, look: Look) -> Detections:
        """Find the faces of the next frame.

        Raises:
            ModelMissingError: The model is not there.
        """
        picture = look.bgr
        faces = find_faces(picture, self._model_path, self._min_confidence)
        height, width = picture.shape[:2]
        boxes = [
            (
                face.left / width,
                face.top / height,
                (face.left + face.width) / width,
                (face.top + face.height) / height,
            )
            for face in faces
        ]
        return Detections(boxes, [face.score for face in faces], (LABEL,) * len(faces))
