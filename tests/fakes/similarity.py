"""How alike two pictures are: structural similarity (Wang et al. 2004) of their luma; 1 for equal ones."""

import cv2
import numpy as np

from tests.fakes.pictures import Picture


def ssim(one: Picture, other: Picture) -> float:
    """Return the mean SSIM of two BGR pictures of the same size, with a Gaussian window of 11 pixels."""
    x, y = (cv2.cvtColor(each, cv2.COLOR_BGR2GRAY).astype(np.float64) for each in (one, other))

    def mean(values: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5))

    mean_x, mean_y = mean(x), mean(y)
    variance_x, variance_y = mean(x * x) - mean_x**2, mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    top = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float(np.mean(top / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2))))
