"""Documents: a report as an official paper (NĐ 30/2020/NĐ-CP, phụ lục I), as PDF and as a Word file.

`paper.py` says what stands on the paper and in which words; `pdf.py` and `word.py` set the same paper. The fonts lie
beside them: nothing is taken from the machine or the network, so that the same report gives the same bytes everywhere.
"""

from datlanh.share.document.map import picture
from datlanh.share.document.paper import Paper, paper_of, query_id
from datlanh.share.document.pdf import as_pdf, png
from datlanh.share.document.word import as_word

__all__ = ["Paper", "as_pdf", "as_word", "paper_of", "picture", "png", "query_id"]
