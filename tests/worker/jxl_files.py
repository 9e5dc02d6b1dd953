"""JPEG XL files that no library here can make: with colour spaces, and with metadata as cjxl keeps it.

Made by cjxl 0.7 of the picture that `wedge` draws, 48 x 32. `named`: its pixels tagged as Display P3 by number
(-x color_space=RGB_D65_DCI_Rel_SRG). `icc`: by a profile. lossless: -d 0, pixels as they were; lossy: -d 0.5, kept in XYB.
`gray_gamma`: linear light (-x color_space=Gra_D65_Rel_Lin). `transcoded`: a JPEG with a P3 profile and EXIF (orientation 6,
copyright, artist, GPS), kept losslessly in boxes, the EXIF compressed (--lossless_jpeg=1).
"""

from __future__ import annotations

import base64

import numpy as np
import numpy.typing as npt


def wedge() -> npt.NDArray[np.uint8]:
    """Red grows to the right, green downwards, blue to the left: saturated enough to tell spaces apart."""
    y, x = np.mgrid[0:32, 0:48]
    return np.stack([255 * x / 47, 255 * y / 31, 255 * (1 - x / 47)], -1).astype(np.uint8)


FILES = {
    name: base64.b64decode("".join(text.split()))
    for name, text in {
        "named_lossless": """
            /woHQUAmNwIIAgEABAJLKKPiVeYMbgc5eP1cSCgMfq+goKDgiMYCIoCCAtXvx9+4EGBgMbjFp+NCHgl1sRIAGCAEIEAQYACY6DR4AhAj
            IBS8yZRtIwCEjkcEEBBAQEA5iAYlllsgm2nBb63sgdUPZ8LzbGL+//3/N+Nz4sOS6o6+0oClRamMoZez11EEkwM=
        """,
        "named_lossy": """
            /woHQUImNwIAEogA7AO/yigBAFChMsq4wcu5ni8/dFhM27jO0FbbFpYkioxjk3QCh0kKCmQ6NsbG2OgYvNUtTO+7eo8k8NxEMTzqWbW2
            4uQrLkStGsGKlM3aEBF3xgnEzUszlLmZk1jfYEy4DEgq2ekvWrIRapLbKFi9hy11JWRqLmVL0+zAGpGhhD9MlxssAMP/gNVUSIG8ttId
            L+8yM/IyMjNjGsoOAJQKycaCmk48r96NZEfbhSvRFC+Hf/rDGPib8LlLMcmA9rSA5diOGp8dhnYfBBpBKkJEPiWIo13xsN87AhxsooQy
            9D7SCH3+hzCkbLufN5ik1KZainET3+HoQGwaxIHABg==
        """,
        "icc_lossless": """
            /woHQQhfChIOkA3ZeioU/B6ZFVr+d6SEEylKfPo49lZY4HvAzrO886x+z2jtOzIajZa+RQibMW1mBwCA/4q9lkyMbUMaQOaEuTNnDB05
            LAAAQPn1f41XUHFRkbuo4n7vV843V0ndR2qtCwAAACBlKgCfYdxMBpYzB7qZAVKmAvgM42byazlDhoNQe60+6PSabxiBv3r777/zK/x3
            QvuF9N9/9w3133/9cXirocAlOuiX6/0BUfqjsbuMWuPQYTZGFBnciydmUirviWkydgpllA0IAgEABAJLKKPiVeYMbgc5eP1cSCgMfq+g
            oKDgiMYCIoCCAtXvx9+4EGBgMbjFp+NCHgl1sRIAGCAEIEAQYACY6DR4AhAjIBS8yZRtIwCEjkcEEBBAQEA5iAYlllsgm2nBb63sgdUP
            Z8LzbGL+//3/N+Nz4sOS6o6+0oClRamMoZez11EEkwM=
        """,
        "icc_lossy": """
            /woHQUKCLLYUxm/Cs4ACD4UwJaGoDhcCABKIAOwDv8ooAQBQoTLKuMHLuZ4vP3RYTNu4ztBW2xaWJIqMY5N0AodJCgpkOjbGxtjoGLzV
            LUzvu3qPJPDcRAE86lm6ljLiLS6YrRuBhJjNKEQRN8bJ4+alGcrcTclsbzImVAYkluz8Fy3ZCDPJ9XcL3sOWup5JNZeybco1bLXIUMI5
            TJcbLADD/4DVVEiBvLbSHS/vMjPyMjIzYxrKDgCUCsnGgppOPK/ejWRH24Ur0RQvh3/6wxj4m/C5SzHJgPa0gOXYjhqfHYZ2HwQaQSpC
            RD4liKNd8bDfOwIcbKKEMvQ+0gh9/ocwpGy7nzeYpNSmWopxE9/h6EBsGsSBwAY=
        """,
        "gray": """
            /woHQVBcCAgCAQBIAksoJMZHQcIEBQVrNDpWkRVjGGNsDKNjsNZgLgcASBeK0aJPRpT29quW5l0ee8ny4QC0kZHlpqc+BaWYr1IQU80v
            QCyu/hX0q/SbEIQLTAw2Rlb2y/xFDzpVlO6f5sgsRAL0+41DrEi+1bcCagIw8idCNgbq+fyWx/V18K3pbflr1f02LojToW+LaNRzEIJn
            A/Af
        """,
        "gray_gamma": """
            /woHQVC0CAgCAQBIAksoJMZHQcIEBQVrNDpWkRVjGGNsDKNjsNZgLgcASBeK0aJPRpT29quW5l0ee8ny4QC0kZHlpqc+BaWYr1IQU80v
            QCyu/hX0q/SbEIQLTAw2Rlb2y/xFDzpVlO6f5sgsRAL0+41DrEi+1bcCagIw8idCNgbq+fyWx/V18K3pbflr1f02LojToW+LaNRzEIJn
            A/Af
        """,
        "transcoded": """
            AAAADEpYTCANCocKAAAAFGZ0eXBqeGwgAAAAAGp4bCAAAADeanhscAAAAAD/CgctEJIvBQkHyIZsPRUKfo/MCi3/O1LCiRQlPn0ceyss
            8D1g51neeVa/Z7T2HRmNRkvfIoTNmDazAwDAf8VeSybGtiENIHPC3Jkzho4cFgAAoPz6v8YrqLioyF1Ucb/3K+ebq6TuI7XWBQAAAJAy
            FYDPMG4mA8uZA93MAClTAXyGcTP5tZwhw0GovVYfdHrNN4zAX73999/5Ff47of1C+u+/+4b677/+OLzVUOASHfTL9f6AKP3R2F1GrXHo
            MBsjigzuxRMzKZX3xDQZO4UyygYAAAHmamJyZMBQ3DaAIAhCy4AAECJA8AGhRoGQq0oAAEDIUdmCoTj/J4iMEco4pxS0HyFDmKUOMsxA
            6Q41WB8ynHzMgEMOKixy0LAD20cN/fsjyxx23IGGovtfjHHGJJds8skopzwzzTXbfDPOOQs9NNFFG3000klLPTXVVVt9NdZZiz022WWb
            fTbaacs9N91123033nkLPjjhhRt+OOKJRy755JRXbvnlmGceuuijk1666aejnnrsss9Oe+2234577sELPzzxxRt/PPLJRy/99NRXb/31
            2GcPfvjij09++eafj3768Mcv//z012///fjn/69gqqoEAEDIUdmCoTj/L4iEUkZZpxSJ8YCQzahBhkl1oKF6sOHcQ44ZUJAPGnLQYQc2
            FlnmqN/tw44bWtEfeWbwSYb3vxjjjEs2+WSUU6a5ZptvxjlnoYcmumijj0Y6aamnprpqq6/GOmuxxya7bLPPRjttueemu26778Y778AF
            H5zwwg0/HPHEI5d8csort/xyzDMPXfTRSS/d9NNRTz122WenvXbbb8c99+CFH5744o0/Hvnko5d+euqrt/567LMPX/zxyS/f/PPRTz9+
            +eenv37778c//3+BHwCoLAALCIDgABBKRklGAAEBAAABAAEAAAMAAAB0YnJvYkV4aWYbgwAAxP//c/f9RdmOV/IsClNgNIoCGQ1wOjnO
            OABpWW1JS74ojgLA9IbNhSZSYNAZRyR5ZfCkgzMQRCIDC86324z3N823/HzwewLqPjTrajXPvWwnm4G2k01jMAjQr7WgRHodRq/iBAAA
            AmJqeGxwgAAAAeBbABAAPAkIWAhYCFj+/w4AABgACAABAAAAAACAgCWJItNNRr1rhg8AoOSkoKCgcBUyFWMwRVE4xBijI2IYhSLGMIax
            zNhjLkK7jDsIQBYDEG46Zi78i4sAe8DkY9tkVGwcnX4BGGVgy/N/IyRfvanXhe0OtmvIYpyvr6w3Ird4Ov9t5a2aZLG3S1T61f3nFEw7
            vnNshEMoocR13CM0H3aH+nUBAGy+zwkgBiNcBaAoWadFR9RfubZhZARe4IFqAGQIEaAcAAAAAADgACBHp+7295AEUG4DkudjsraQArkw
            3LaaiTFGijE2Bl3bIHeYg1O/N74e+kKZP3DhX1Hpr35tJj1VuGVz0ArfEnweMFy/29Aj/JIu+oFPF+phrWa0frfhx59ldHRBaisV3Ipy
            f9eLc04CzX6hh3+1pZ5yMxv7/Qq+HSWpsuEVOfo1z7LvLUWiBTWovZdaXzN977127YIBZ1vTwyqkUaBY9X0LhuFZFP4Tluz32//ywhRs
            XWCjU6ywUr/fgpgXt25bB7m/JpX+bkD6S4vIpjfzjP09ZVJVhzfF5J31YR9hFL5NKO5Ov1UwX6wOwV2TP62n/znGbLIu4F1MeljM32/n
            yyVtwET78lh/DhArgjvZBPi+FreO1g2v69v/cqkmwPjQeKfizBPiKgoFA5YtOZO3qHXlHpn0F73uVzMIdj1GndEtfMWYBLHCobbKUhWh
            PQeffSUH3X7H+YGnj74Cv7cGG0fe7evCNSM+TumtBqc5U10FEHxc7RdZ57XfsRrcTenuM+Cqe+DEm5WBogQ=
        """,
    }.items()
}
