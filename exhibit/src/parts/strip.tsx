/** The pictures that come along, as large buttons in a row that pages. */

import { useState } from "preact/hooks";

import { choices, choose, subject } from "../state";
import { t } from "../words";

export function PictureStrip({ perPage = 8 }: { perPage?: number }) {
  const all = choices.value;
  const pages = Math.ceil(all.length / perPage);
  const [page, setPage] = useState(0);
  const shown = all.slice(page * perPage, (page + 1) * perPage);
  return (
    <div class="strip" role="group" aria-label={t("pictures.choose")}>
      {shown.map((choice) => (
        <button
          key={choice.id}
          type="button"
          class="thumb"
          aria-pressed={subject.value?.id === choice.id}
          aria-label={choice.alt || t("pictures.unnamed")}
          onClick={() => void choose(choice)}
        >
          <img src={choice.address} alt="" draggable={false} />
        </button>
      ))}
      {pages > 1 && (
        <button type="button" class="thumb more" onClick={() => setPage((page + 1) % pages)} aria-label={t("pictures.more")}>
          <span aria-hidden="true">…</span>
        </button>
      )}
    </div>
  );
}
