/** What AlexNet is, who made it and what happened in 2012, and the way to the scenes. */

import { net, place, settings } from "../state";
import { number, said, t } from "../words";

export function StartScene() {
  const { introduction, scenes } = settings.value!;
  return (
    <section class="scene start">
      <header class="scene-head">
        <h1>{t("start.title")}</h1>
        <p class="lead">{said(introduction) || t("start.lead")}</p>
      </header>
      <div class="cards">
        {["what", "who", "happened"].map((name) => (
          <article key={name} class="panel">
            <h2>{t(`start.${name}.title`)}</h2>
            <p>{t(`start.${name}`)}</p>
          </article>
        ))}
      </div>
      <p class="here">{hereIs()}</p>
      <div class="ways">
        {scenes.map((name) => (
          <button key={name} type="button" class="way" onClick={() => (place.value = name)}>
            <strong>{t(`nav.${name}`)}</strong>
            <span>{t(`start.way.${name}`)}</span>
          </button>
        ))}
      </div>
    </section>
  );
}

/** Which network this screen shows: never more than is true of it. */
function hereIs(): string {
  const { kind, trained, parameters, classes } = net.value;
  const values = { parameters: number(parameters), classes: classes.filter((item) => !item.unused).length, batches: number(trained.batches) };
  return `${t(`start.here.${kind}`, values)} ${t(trained.batches ? "start.here.trained" : "start.here.untrained", values)}`;
}
