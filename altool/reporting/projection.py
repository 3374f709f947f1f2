"""Features in the plane."""

from __future__ import annotations

import numpy as np


def project(reference: np.ndarray, features: np.ndarray, seed: int) -> np.ndarray:
    """float64 (n, 2): `features` (n, D) on the first two principal components of `reference` (m, D), scaled into [-1, 1].

    Rounded to 3 decimals, so that the number of threads, which changes the last bits, does not change the picture.
    """
    from sklearn.decomposition import PCA

    points = np.zeros((len(features), 2))
    width = min(2, reference.shape[1], len(reference))
    if len(reference) > 1 and np.ptp(reference, axis=0).any():
        fitted = PCA(width, svd_solver="randomized", random_state=seed).fit(reference.astype(np.float64))
        points[:, :width] = fitted.transform(features.astype(np.float64))
    return np.round(points / max(float(np.abs(points).max(initial=0)), np.finfo(np.float64).tiny), 3) + 0.0  # no -0.0
